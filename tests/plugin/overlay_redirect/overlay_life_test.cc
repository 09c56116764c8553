// Restarts, reboots, removal, and the mount by which lower directories are reached.
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/plugin/overlay_redirect/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

std::vector<MountInfo> Mounts() { return ParseMountInfo(ReadFile("/proc/self/mountinfo").value()); }

size_t MountsAtOrBelow(const std::string& place) {
  const auto mounts = Mounts();
  return static_cast<size_t>(std::count_if(
      mounts.begin(), mounts.end(),
      [&](const MountInfo& mount) { return absl::StartsWith(mount.mountpoint, place); }));
}

std::vector<std::string> Skeletons(const OverlayNode& node) {
  return ListDirectory(node.Path("state/overlay/current/skeletons")).value();
}

TEST_CASE("A restart takes over the mount, the secret name and the skeletons",
          "[overlay_redirect]") {
  OverlayNode node;
  const auto lowers = node.Lowers();
  const std::string secret = node.secret_name();
  node.Open();
  CHECK(node.Lowers() == lowers);
  CHECK(node.secret_name() == secret);
  CHECK(MountsAtOrBelow(node.Path("run")) == 1);
}

TEST_CASE("After a reboot everything is made anew", "[overlay_redirect]") {
  OverlayNode node;
  (void)node.Lowers();
  const std::string secret = node.secret_name();
  WriteFile(node.Path("state/overlay/current/generation"),
            absl::StrCat("stowage overlay 1\nanother boot\n", secret, "\n"));
  node.Open();
  CHECK(node.secret_name() != secret);
  CHECK(Skeletons(node).empty());
  const std::string view = node.Mount(node.Lowers());
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
}

TEST_CASE("A damaged generation file is an error while containers may use what it names",
          "[overlay_redirect]") {
  OverlayNode node;
  node.Open();
  const std::string file = node.Path("state/overlay/current/generation");
  WriteFile(file, ReadFile(file).value().substr(0, 70));
  const absl::Status status = OverlayViews::Open(node.Options()).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "damaged"));
}

TEST_CASE("A skeleton that shows something else after a restart is not handed out",
          "[overlay_redirect]") {
  OverlayNode node;
  (void)node.Lowers();
  node.Open();
  SECTION("its number is that of another closure") {
    const absl::Status status = node.Skeleton(7, {kTree}).status();
    CHECK(absl::IsDataLoss(status));
    CHECK(absl::StrContains(status.message(), "current/skeletons/7"));
  }
  SECTION("its attributes were lost, as by a copy of the state directory") {
    const std::string path =
        node.Path(absl::StrCat("state/overlay/current/skeletons/7/nix/store/", kTree));
    REQUIRE(::removexattr(path.c_str(), "trusted.overlay.redirect") == 0);
    const absl::Status status = node.Skeleton(7, {kTree, kFile, kLink, kProgram}).status();
    CHECK(absl::IsDataLoss(status));
    CHECK(absl::StrContains(status.message(), kTree));
  }
  SECTION("nothing of that") { REQUIRE_OK(node.Skeleton(7, {kTree, kFile, kLink, kProgram})); }
}

TEST_CASE("What a killed process left is removed, what it finished stays", "[overlay_redirect]") {
  OverlayNode node;
  (void)node.Lowers();
  REQUIRE_OK(MakeDirectories(node.Path("state/overlay/new-1-1/nix/store/half")));
  REQUIRE_OK(MakeDirectories(node.Path("state/overlay/.removing-1-2/nix")));
  node.Open();
  node.views().Drain();
  CHECK(ListDirectory(node.Path("state/overlay")).value() == std::vector<std::string>{"current"});
  CHECK(Skeletons(node) == std::vector<std::string>{"7"});
}

TEST_CASE("A skeleton goes when nothing wants it and no mount has it", "[overlay_redirect]") {
  OverlayNode node;
  const std::string view = node.Mount(node.Lowers());
  REQUIRE_OK(node.Skeleton(8, {kTree}));
  REQUIRE_OK(node.Skeleton(9, {kFile}));
  const auto remove = [&](std::vector<int64_t> wanted) {
    return node.views().RemoveUnneeded(
        [&]() -> absl::StatusOr<std::vector<int64_t>> { return wanted; }, Mounts());
  };
  CHECK(remove({9}).value());
  CHECK(Skeletons(node) == std::vector<std::string>{"7", "9"});
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
  node.Unmount(view);
  CHECK_FALSE(remove({9}).value());
  CHECK(Skeletons(node) == std::vector<std::string>{"9"});
  node.views().Drain();
  CHECK(ListDirectory(node.Path("state/overlay")).value() == std::vector<std::string>{"current"});
}

TEST_CASE("The mount of lower directories stays alone and read-only", "[overlay_redirect]") {
  OverlayNode node;
  // As on a host whose mounts are all shared: what is mounted later must not come along.
  REQUIRE(::mount("none", "/", nullptr, MS_REC | MS_SHARED, nullptr) == 0);
  node.Open();
  REQUIRE_OK(MakeDirectories(node.Path("later")));
  REQUIRE(::mount("tmpfs", node.Path("later").c_str(), "tmpfs", 0, nullptr) == 0);
  CHECK(MountsAtOrBelow(node.Path("run")) == 1);
  ::umount2(node.Path("later").c_str(), MNT_DETACH);
  const auto file =
      OpenAt(AT_FDCWD, node.views().layers().store_parent + "/new", O_WRONLY | O_CREAT, 0600);
  CHECK_FALSE(file.ok());
  REQUIRE(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
}

TEST_CASE("Something else in the place of the mount of lower directories is replaced",
          "[overlay_redirect]") {
  OverlayNode node;
  REQUIRE_OK(MakeDirectories(node.Path("run/lower")));
  for (int i = 0; i < 2; ++i)
    REQUIRE(::mount("tmpfs", node.Path("run/lower").c_str(), "tmpfs", 0, nullptr) == 0);
  const std::string view = node.Mount(node.Lowers());
  CHECK(Exists(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")));
  CHECK(MountsAtOrBelow(node.Path("run")) == 1);
}

}  // namespace
}  // namespace stowage::testing
