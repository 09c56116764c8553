// A view that the kernel shows, against a plain overlay over copies of the same files.
#include <dirent.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/plugin/overlay_redirect/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

namespace fs = std::filesystem;

// An ordinary layer in the state directory with a store path of its own and a top-level directory.
std::string MakeBase(const OverlayNode& node) {
  const std::string base = node.Path("state/base");
  REQUIRE_OK(MakeDirectories(base + "/nix/store/base-path"));
  REQUIRE_OK(MakeDirectories(base + "/var/lib"));
  WriteFile(base + "/nix/store/base-path/file", "of the base image");
  WriteFile(base + "/var/lib/state", "the image's own /var");
  return base;
}

// The store paths of the view, copied to where an unpacked layer would have them.
std::string CopyView(const OverlayNode& node) {
  const std::string plain = node.Path("plain");
  REQUIRE_OK(MakeDirectories(plain + "/nix/store"));
  for (const std::string& name : {kTree, kFile, kLink, kProgram})
    fs::copy(node.StorePath(name), absl::StrCat(plain, "/nix/store/", name),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  REQUIRE(::chmod((plain + "/nix/store").c_str(), 0555) == 0);
  REQUIRE(::chmod((plain + "/nix").c_str(), 0555) == 0);
  return plain;
}

TEST_CASE("A view equals a plain overlay, with and without a base image", "[overlay_redirect]") {
  OverlayNode node;
  std::vector<std::string> ordinary;
  SECTION("alone") {}
  SECTION("below a layer with store paths of its own") { ordinary = {MakeBase(node)}; }
  const std::string plain_layer = CopyView(node);
  std::vector<std::string> plain = ordinary;
  plain.push_back(plain_layer);
  const std::string view = node.Mount(node.Lowers(ordinary));
  const auto shown = DescribeTree(view);
  CHECK(shown == DescribeTree(node.Mount(plain)));
  CHECK(shown.size() >= 11);
  CHECK_FALSE(Exists(view + "/nix/store/" + kForeign));
  for (const char* hidden : {"/store", "/nix/var", "/nix/nix", "/inner"})
    CHECK_FALSE(Exists(view + hidden));
  CHECK(Exists(view + "/var") == !ordinary.empty());
}

TEST_CASE("A view lists no name twice, and its inode numbers are those of stat",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string store = node.Mount(node.Lowers()) + "/nix/store";
  std::map<std::string, ino_t> listed;
  DIR* const directory = ::opendir(store.c_str());
  REQUIRE(directory != nullptr);
  while (const dirent* const entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') CHECK(listed.emplace(entry->d_name, entry->d_ino).second);
  }
  ::closedir(directory);
  CHECK(listed.size() == 4);
  for (const auto& [name, inode] : listed) {
    struct stat status;
    REQUIRE(::lstat(absl::StrCat(store, "/", name).c_str(), &status) == 0);
    CHECK(status.st_ino == inode);
  }
}

TEST_CASE("A store path that is a file is the store's own file, one that is a link a link",
          "[overlay_redirect]") {
  OverlayNode node;
  (void)node.Lowers();
  const std::string skeleton = node.Path("state/overlay/current/skeletons/7/nix/store/");
  struct stat stored;
  struct stat shown;
  REQUIRE(::lstat(node.StorePath(kFile).c_str(), &stored) == 0);
  REQUIRE(::lstat((skeleton + kFile).c_str(), &shown) == 0);
  CHECK(shown.st_ino == stored.st_ino);  // the page cache has it once
  CHECK(fs::read_symlink(skeleton + kLink) == fs::read_symlink(node.StorePath(kLink)));
}

TEST_CASE("Names of every length and kind are shown", "[overlay_redirect]") {
  OverlayNode node;
  std::vector<std::string> names = {"00000000000000000000000000000005-a=b?c+d_e.f"};
  names.push_back(absl::StrCat("00000000000000000000000000000006-", std::string(222, 'x')));
  REQUIRE(names.back().size() == 255);
  const std::vector<std::string> files = {"a\nb", "a\\b", "a,b", "a:b", "\xff\xfe"};
  for (const std::string& name : names) {
    REQUIRE_OK(MakeDirectories(node.StorePath(name)));
    for (const std::string& file : files)
      WriteFile(absl::StrCat(node.StorePath(name), "/", file), file);
  }
  node.Open();
  const auto skeleton = node.Skeleton(8, names);
  REQUIRE_OK(skeleton);
  const RedirectLayers& layers = node.views().layers();
  const std::string view = node.Mount({layers.cap, *skeleton, layers.mask, layers.store_parent});
  for (const std::string& name : names)
    for (const std::string& file : files)
      CHECK(ReadFile(absl::StrCat(view, "/nix/store/", name, "/", file)).value() == file);
}

TEST_CASE("Store paths have the time that everything in a layer has", "[overlay_redirect]") {
  OverlayNode node;
  const std::string store = node.Mount(node.Lowers()) + "/nix/store";
  for (const std::string& directory : {store, store + "/" + kTree}) {
    struct stat status;
    REQUIRE(::lstat(directory.c_str(), &status) == 0);
    CHECK(status.st_mtime == 1);
  }
}

TEST_CASE("Programs run from a view", "[overlay_redirect]") {
  OverlayNode node;
  const std::string view = node.Mount(node.Lowers());
  CHECK(::system(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello >/dev/null").c_str()) == 0);
}

TEST_CASE("What a container writes is in its upper directory, without redirects",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string view = node.Mount(node.Lowers());
  const std::string tree = view + "/nix/store/" + kTree;
  WriteFile(tree + "/bin/hello", "changed", 0755);
  WriteFile(view + "/new", "new");
  REQUIRE(::unlink((view + "/nix/store/" + kFile).c_str()) == 0);
  CHECK((::rename((tree + "/share").c_str(), (tree + "/doc").c_str()) != 0 && errno == EXDEV));
  const std::string upper = node.UpperOf(view);
  std::vector<std::string> changed;
  for (const auto& entry : fs::recursive_directory_iterator(upper)) {
    changed.push_back(entry.path().string().substr(upper.size()));
    char value[16];
    CHECK(::lgetxattr(entry.path().c_str(), "trusted.overlay.redirect", value, sizeof value) < 0);
  }
  std::sort(changed.begin(), changed.end());
  const std::string store = "/nix/store";
  CHECK(changed == std::vector<std::string>{
                       "/new", "/nix", store, store + "/" + kTree, store + "/" + kTree + "/bin",
                       store + "/" + kTree + "/bin/hello", store + "/" + kFile});
  // The store itself has not changed.
  CHECK(ReadFile(node.StorePath(kTree) + "/bin/hello").value() == "#!/bin/sh\necho hello\n");
  CHECK(Exists(node.StorePath(kFile)));
}

TEST_CASE("A view of many store paths is one mount with the same short options",
          "[overlay_redirect]") {
  OverlayNode node;
  std::vector<std::string> names;
  for (int i = 1000; i < 1700; ++i) {
    names.push_back(absl::StrCat("0000000000000000000000000000", i, "-many"));
    REQUIRE_OK(MakeDirectories(node.StorePath(names.back()) + "/bin"));
    WriteFile(node.StorePath(names.back()) + "/bin/number", absl::StrCat(i));
  }
  node.Open();
  const auto skeleton = node.Skeleton(8, names);
  REQUIRE_OK(skeleton);
  const std::vector<std::string> lowers = {node.views().layers().cap, *skeleton,
                                           node.views().layers().mask,
                                           node.views().layers().store_parent};
  CHECK(absl::StrJoin(lowers, ":").size() < 1000);
  const std::string view = node.Mount(lowers);
  CHECK(ListDirectory(view + "/nix/store").value() == names);
  CHECK(ReadFile(absl::StrCat(view, "/nix/store/", names[650], "/bin/number")).value() == "1650");
}

TEST_CASE("A name that comes up beside the store is hidden from containers that run",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string view = node.Mount(node.Lowers());
  REQUIRE_OK(MakeDirectories(node.Path("nix/newcomer/inside")));
  bool hidden = false;
  for (int i = 0; i < 200 && !hidden; ++i) {
    hidden = Exists(node.Path("state/overlay/current/mask/newcomer"));
    ::usleep(50'000);
  }
  REQUIRE(hidden);
  CHECK_FALSE(Exists(view + "/newcomer"));
  CHECK(ListDirectory(view).value() == std::vector<std::string>{"nix"});
  CHECK(node.warnings().empty());
}

TEST_CASE("A name that came up beside the store while nobody watched is hidden from the next start",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string view = node.Mount(node.Lowers());
  node.Close();
  REQUIRE_OK(MakeDirectories(node.Path("nix/newcomer/inside")));
  REQUIRE(std::rename(node.Path("nix/nix").c_str(), node.Path("nix/moved").c_str()) == 0);
  node.Open();
  const std::vector<std::string> only_nix = {"nix"};
  CHECK(ListDirectory(view).value() == only_nix);
  CHECK(ListDirectory(node.Mount(node.Lowers())).value() == only_nix);
}

}  // namespace
}  // namespace stowage::testing
