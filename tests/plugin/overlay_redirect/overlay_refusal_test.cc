// What the start-up probe and the check of each view refuse, with the reason.
#include <sys/mount.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "plugin/overlay_redirect/detached_overlay.h"
#include "plugin/overlay_redirect/view_check.h"
#include "tests/plugin/overlay_redirect/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

void CheckRefused(const OverlayViewsOptions& options, const std::string& reason) {
  const absl::Status status = OverlayViews::Open(options).status();
  INFO(status.ToString());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), reason));
}

// A mount that goes with the test.
class MountHere {
 public:
  MountHere(const char* source, const std::string& place, const char* type, unsigned long flags)
      : place_(place) {
    REQUIRE(::mount(source, place.c_str(), type, flags, nullptr) == 0);
  }
  ~MountHere() { ::umount2(place_.c_str(), MNT_DETACH); }

 private:
  const std::string place_;
};

TEST_CASE("A store on a mount of its own is refused", "[overlay_redirect]") {
  OverlayNode node;
  const MountHere store("tmpfs", node.Path("nix/store"), "tmpfs", 0);
  CheckRefused(node.Options(), "is a mount of its own");
}

TEST_CASE("A store that is bound onto itself, as NixOS does it, is taken", "[overlay_redirect]") {
  OverlayNode node;
  const std::string place = node.Path("nix/store");
  const MountHere store(place.c_str(), place, nullptr, MS_BIND);
  const std::string view = node.Mount(node.Lowers());
  // No hard link leads from one mount to another: the file is a copy.
  CHECK(ReadFile(absl::StrCat(view, "/nix/store/", kFile)).value() ==
        "a store path that is a file");
}

TEST_CASE("A state directory on another file system is refused", "[overlay_redirect]") {
  OverlayNode node;
  const MountHere state("tmpfs", node.Path("state"), "tmpfs", 0);
  CheckRefused(node.Options(), "different file systems");
}

TEST_CASE("A state directory below the store's parent is refused", "[overlay_redirect]") {
  OverlayNode node;
  OverlayViewsOptions options = node.Options();
  options.state_directory = node.Path("nix/state");
  REQUIRE_OK(MakeDirectories(options.state_directory));
  CheckRefused(options, "lie in each other");
}

TEST_CASE("Options by which no redirect is followed are refused by a test mount",
          "[overlay_redirect]") {
  OverlayNode node;
  OverlayViewsOptions options = node.Options();
  SECTION("the kernel mounts and shows empty directories") {
    options.mount_options = {"index=off", "redirect_dir=nofollow"};
    CheckRefused(options, "a test mount in");
  }
  SECTION("user namespace") {
    options.mount_options = {"index=off", "userxattr"};
    CheckRefused(options, "in a user namespace");
  }
  CHECK(ListDirectory(node.Path("state/overlay")).value().empty());
}

// The parameter is of the whole machine: a file in its place is of this test's mount namespace.
TEST_CASE("A kernel that follows redirects only when it is told to is refused",
          "[overlay_redirect]") {
  OverlayNode node;
  const std::string parameter = "/sys/module/overlay/parameters/redirect_always_follow";
  const std::string faked = node.Path("parameter");
  WriteFile(faked, "N\n");
  const MountHere mount(faked.c_str(), parameter, nullptr, MS_BIND);
  CheckRefused(node.Options(), "redirect_always_follow is N");
}

TEST_CASE("A view with a store path that is gone is not made", "[overlay_redirect]") {
  OverlayNode node;
  node.Open();
  const auto missing = node.Skeleton(3, {kTree, "00000000000000000000000000000008-gone"});
  CHECK(absl::IsNotFound(missing.status()));
  CHECK(absl::StrContains(missing.status().message(), "8-gone"));
  CHECK(ListDirectory(node.Path("state/overlay/current/skeletons")).value().empty());
  REQUIRE_OK(node.Skeleton(3, {kTree}));
}

TEST_CASE("A view that the kernel shows empty is noticed", "[overlay_redirect]") {
  OverlayNode node;
  const std::vector<std::string> lowers = node.Lowers();
  const auto store = OpenAt(AT_FDCWD, node.Path("nix/store"), O_PATH);
  const auto mount = MountDetachedOverlay(lowers, {"index=off", "redirect_dir=nofollow"});
  REQUIRE_OK(store);
  REQUIRE_OK(mount);
  const absl::Status status =
      CheckView(mount->get(), store->get(), {kTree, kFile, kLink, kProgram});
  CHECK(absl::IsDataLoss(status));
  CHECK(absl::StrContains(status.message(), kTree));
}

TEST_CASE("A view that shows more than it should is noticed", "[overlay_redirect]") {
  OverlayNode node;
  std::vector<std::string> lowers = node.Lowers();
  lowers.erase(lowers.end() - 2);  // the mask
  const auto store = OpenAt(AT_FDCWD, node.Path("nix/store"), O_PATH);
  const auto mount = MountDetachedOverlay(lowers, node.Options().mount_options);
  REQUIRE_OK(store);
  REQUIRE_OK(mount);
  CHECK(absl::IsDataLoss(CheckView(mount->get(), store->get(), {kTree, kFile, kLink, kProgram})));
}

TEST_CASE("Nothing is handed out when the mount of the lower directories is gone",
          "[overlay_redirect]") {
  OverlayNode node;
  node.Open();
  REQUIRE_OK(LowerMount::Unmount(node.Path("run")));
  const auto skeleton = node.Skeleton(3, {kTree});
  CHECK(absl::IsFailedPrecondition(skeleton.status()));
  CHECK(absl::StrContains(skeleton.status().message(), "restart stowaged"));
}

}  // namespace
}  // namespace stowage::testing
