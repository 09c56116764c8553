// What could go wrong with a view beside escapes: a store that changes below it, options of others,
// layers in an awkward order.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

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

TEST_CASE("Files that a container has open outlive a store path that is deleted by force",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string view = node.Mount(node.Lowers());
  const std::string hello = absl::StrCat(view, "/nix/store/", kTree, "/bin/hello");
  const auto open = OpenAt(AT_FDCWD, hello, O_RDONLY);
  REQUIRE_OK(open);
  REQUIRE_OK(RemoveTree(node.StorePath(kTree)));
  char text[64];
  CHECK(::pread(open->get(), text, sizeof text, 0) == 21);
  // It lists empty, other paths are not disturbed, and no further view is made without it.
  CHECK(ListDirectory(absl::StrCat(view, "/nix/store/", kTree)).value().empty());
  CHECK(ReadFile(absl::StrCat(view, "/nix/store/", kFile)).ok());
  CHECK(absl::IsNotFound(node.Skeleton(8, {kTree}).status()));
}

TEST_CASE("A file that the store replaces by a hard link is read as before", "[overlay_redirect]") {
  OverlayNode node;
  const std::string file = node.StorePath(kTree) + "/bin/hello";
  const std::string view = node.Mount(node.Lowers());
  const std::string shown = absl::StrCat(view, "/nix/store/", kTree, "/bin/hello");
  const std::string content = ReadFile(shown).value();
  // As nix-store --optimise does it.
  REQUIRE_OK(MakeDirectories(node.StorePath(".links")));
  std::filesystem::copy_file(file, node.StorePath(".links/hash"));
  REQUIRE(::link(node.StorePath(".links/hash").c_str(), node.StorePath(".tmp").c_str()) == 0);
  REQUIRE(::rename(node.StorePath(".tmp").c_str(), file.c_str()) == 0);
  CHECK(ReadFile(shown).value() == content);
  CHECK_FALSE(Exists(view + "/nix/store/.links"));
  const std::string next = node.Mount(node.Lowers());
  CHECK(ReadFile(absl::StrCat(next, "/nix/store/", kTree, "/bin/hello")).value() == content);
}

// BuildKit puts redirect_dir=off in the place of ours; the probe sees to it that this means
// "follow".
TEST_CASE("A view shows with options that say nothing of redirects, or that they are off",
          "[overlay_redirect]") {
  const std::string option = GENERATE("index=off", "index=off,redirect_dir=off");
  OverlayNode node;
  const std::string lowers = absl::StrJoin(node.Lowers(), ":");
  const std::string place = node.Path("mounts");
  REQUIRE(::mount("overlay", place.c_str(), "overlay", 0,
                  absl::StrCat(option, ",lowerdir=", lowers).c_str()) == 0);
  CHECK(Exists(absl::StrCat(place, "/nix/store/", kTree, "/bin/hello")));
  CHECK(::umount2(place.c_str(), 0) == 0);
}

TEST_CASE("An ordinary layer below a view, with store paths of its own, shows beneath it",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string base = node.Path("state/base");
  REQUIRE_OK(MakeDirectories(base + "/nix/store/base-path"));
  WriteFile(base + "/nix/store/base-path/file", "of the base image");
  WriteFile(base + "/nix/store/" + kFile, "what the view has as well");
  REQUIRE_OK(MakeDirectories(base + "/var"));
  node.Open();
  const auto skeleton = node.Skeleton(7, {kTree, kFile});
  REQUIRE_OK(skeleton);
  const std::vector<LowerDirectory> layers = {{*skeleton, true}, {node.views().Through(base)}};
  const std::string view =
      node.Mount(ArrangeLowers(layers, node.views().layers(), [](const std::string& directory) {
        return Exists(directory + "/nix");
      }));
  CHECK(ListDirectory(view).value() == std::vector<std::string>{"nix", "var"});
  CHECK(ListDirectory(view + "/nix/store").value() ==
        std::vector<std::string>{kTree, kFile, "base-path"});
  CHECK(ReadFile(view + "/nix/store/" + kFile).value() == "a store path that is a file");
  CHECK(ReadFile(view + "/nix/store/base-path/file").value() == "of the base image");
  CHECK(ListDirectory(view + "/var").value().empty());
}

// Lower directories are reached by a mount that is nosuid.
TEST_CASE("A setuid program of an ordinary layer keeps its right", "[overlay_redirect]") {
  OverlayNode node;
  const std::string layer = node.Path("state/layer");
  REQUIRE_OK(MakeDirectories(layer));
  std::filesystem::copy_file("/usr/bin/test", layer + "/test");
  REQUIRE(::chmod((layer + "/test").c_str(), 04755) == 0);
  WriteFile(layer + "/private", "root's", 0600);
  const std::string view = node.Mount(node.Lowers({layer}));
  const std::string program = view + "/test";
  const std::string file = view + "/private";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    ::execl(program.c_str(), "test", "-r", file.c_str(), nullptr);
    ::_exit(3);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

}  // namespace
}  // namespace stowage::testing
