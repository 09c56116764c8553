// Images in which ordinary layers stand between layers of store paths: two skeletons in one mount.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "plugin/snapshots/mount_builder.h"
#include "tests/plugin/overlay_redirect/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

using Names = std::vector<std::string>;

// A node whose images have `middle` between a skeleton of kTree and, below, one of the rest.
struct Sandwich {
  OverlayNode node;
  std::string top = node.Path("state/top");
  std::string middle = node.Path("state/middle");

  Sandwich() {
    for (const std::string& layer : {top, middle}) REQUIRE_OK(MakeDirectories(layer + "/etc"));
    WriteFile(top + "/etc/file", "top");
    WriteFile(middle + "/etc/file", "middle");
    node.Open();
  }

  // Mounts them in the order that the driver chooses.
  std::string Mount() {
    const auto upper = node.Skeleton(1, {kTree});
    const auto lower = node.Skeleton(2, {kFile, kLink, kProgram});
    REQUIRE_OK(upper);
    REQUIRE_OK(lower);
    const std::vector<LowerDirectory> image = {{node.views().Through(top)},
                                               {*upper, true},
                                               {node.views().Through(middle)},
                                               {*lower, true}};
    return node.Mount(ArrangeLowers(image, node.views().layers(), [](const std::string& directory) {
      return Exists(directory + "/nix");
    }));
  }
};

void MakeWhiteout(const std::string& path) {
  REQUIRE(::mknod(path.c_str(), S_IFCHR, ::makedev(0, 0)) == 0);
}

TEST_CASE("Two skeletons in one mount both show", "[overlay_redirect]") {
  Sandwich image;
  const std::string view = image.Mount();
  CHECK(ListDirectory(view).value() == Names{"etc", "nix"});
  CHECK(ListDirectory(view + "/nix/store").value() == Names{kTree, kFile, kLink, kProgram});
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
  CHECK(ReadFile(view + "/etc/file").value() == "top");
}

TEST_CASE("An ordinary layer between two skeletons hides the one below and not the one above",
          "[overlay_redirect]") {
  Sandwich image;
  Names want = {kTree};
  SECTION("a whiteout of one store path, and a store path of its own") {
    REQUIRE_OK(MakeDirectories(image.middle + "/nix/store/of-the-middle"));
    MakeWhiteout(absl::StrCat(image.middle, "/nix/store/", kFile));
    want = {kTree, kLink, kProgram, "of-the-middle"};
  }
  SECTION("an opaque store") {
    const std::string store = image.middle + "/nix/store";
    REQUIRE_OK(MakeDirectories(store));
    REQUIRE(::setxattr(store.c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
  }
  SECTION("a whiteout of all of /nix") { MakeWhiteout(image.middle + "/nix"); }
  const std::string view = image.Mount();
  CHECK(ListDirectory(view).value() == Names{"etc", "nix"});
  CHECK(ListDirectory(view + "/nix/store").value() == want);
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
}

// Layers below a skeleton are without the cap: there it would end the skeleton's own redirects, and
// nothing but the secrecy of the name helps. containerd unpacks no such attributes.
TEST_CASE(
    "With layers in order, a redirect above the skeletons leads nowhere, one between to what "
    "everybody knows neither",
    "[overlay_redirect]") {
  Sandwich image;
  REQUIRE_OK(MakeDirectories(image.middle + "/nix/store/of-the-middle"));
  const std::string secret = image.node.secret_name();
  const auto plant = [](const std::string& layer, const Names& targets) {
    for (size_t i = 0; i < targets.size(); ++i) {
      const std::string directory = absl::StrCat(layer, "/hostile", i);
      REQUIRE_OK(MakeDirectories(directory));
      REQUIRE(::setxattr(directory.c_str(), "trusted.overlay.redirect", targets[i].data(),
                         targets[i].size(), 0) == 0);
    }
  };
  const std::string foreign = "/" + kForeign;
  plant(image.middle, {"/store", "/store" + foreign, "/nix/store" + foreign, "/nix", "/var"});
  plant(image.top, {"/" + secret, absl::StrCat("/", secret, foreign), "/store", "/nix", "/var"});
  REQUIRE_OK(MakeDirectories(absl::StrCat(image.top, "/", secret)));
  const std::string view = image.Mount();
  for (const std::string& line : DescribeTree(view)) {
    INFO(line);
    for (const char* hidden : {"foreign", "/secret", "/db", "/inner"})
      CHECK(line.find(hidden) == std::string::npos);
  }
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
}

// containerd makes lower directories relative to the one they have in common, that of LowerMount.
TEST_CASE("A view below many ordinary layers is mounted by containerd's relative names",
          "[overlay_redirect]") {
  OverlayNode node;
  // As many as the page of a mount's options takes besides the skeleton, its cap, the store and the
  // directories of the mount; names are as long as this machine's temporary directory.
  const size_t name_length = node.Path("state/100").size() + 1;
  const size_t count = std::min<size_t>(100, 4096 / name_length - 12);
  INFO(name_length);
  REQUIRE(count > 10);
  std::vector<std::string> layers;
  for (size_t i = 0; i < count; ++i) {
    layers.push_back(node.Path(absl::StrCat("state/", i)));
    REQUIRE_OK(MakeDirectories(absl::StrCat(layers.back(), "/of-layer-", i)));
  }
  const std::vector<std::string> lowers = node.Lowers(layers);
  REQUIRE_OK(BuildMounts({SnapshotKind::kView, "", "", lowers, true}, {}));
  const std::string common = node.views().mountpoint();
  std::vector<std::string> relative;
  for (const std::string& lower : lowers) relative.push_back(lower.substr(common.size() + 1));
  const std::string here = std::filesystem::current_path();
  REQUIRE(::chdir(common.c_str()) == 0);
  const std::string view = node.Mount(relative);
  REQUIRE(::chdir(here.c_str()) == 0);
  CHECK(ListDirectory(view).value().size() == count + 1);
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
}

}  // namespace
}  // namespace stowage::testing
