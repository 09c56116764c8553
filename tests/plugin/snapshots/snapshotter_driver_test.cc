// How a snapshot's mounts show layers of the store, across changes of the driver.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/plugin/snapshots/snapshotter_fixture.h"

namespace stowage {
namespace {

using testing::SnapshotterFixture;
using Drivers = std::vector<ViewDriver>;
constexpr ViewDriver kFuse = ViewDriver::kFuse;
constexpr ViewDriver kOverlay = ViewDriver::kOverlay;

// A remote image of one run and a profile; the name of its tip.
std::string MakeImage(SnapshotterFixture& fixture) {
  fixture.layers().Register('a', std::nullopt, {1, 2, 100});
  return fixture.PrepareRemote('a', "");
}

TEST_CASE("The overlay driver makes an overlay of every snapshot, with redirects followed",
          "[plugin][snapshotter][driver]") {
  SnapshotterFixture fixture;
  fixture.layers().drivers = {kOverlay};
  const std::string tip = MakeImage(fixture);
  const std::string lowers = "lowerdir=/profile/100:/skeleton/1-2:/nix";
  const auto active = fixture.snapshotter().Prepare("active", tip, {});
  REQUIRE_OK(active);
  CHECK(active->front().options[1] == "redirect_dir=follow");
  CHECK(active->front().options.back() == lowers);
  const auto view = fixture.snapshotter().View("view", tip, {});
  REQUIRE_OK(view);
  CHECK(view->front() == Mount{"overlay", "overlay", {"index=off", "redirect_dir=follow", lowers}});
}

TEST_CASE("Ordinary snapshots are the same whatever the driver", "[plugin][snapshotter][driver]") {
  SnapshotterFixture fixture;
  fixture.layers().drivers = GENERATE(Drivers{kFuse}, Drivers{kOverlay}, Drivers{kOverlay, kFuse});
  fixture.CommitLayer("base", "");
  CHECK(fixture.snapshotter().View("view", "base", {})->front().type == "bind");
  const auto mounts = fixture.snapshotter().Prepare("key", "base", {});
  REQUIRE_OK(mounts);
  CHECK_FALSE(absl::StrContains(absl::StrCat(mounts->front().options[0]), "redirect"));
  CHECK(mounts->front().options.back() ==
        absl::StrCat("lowerdir=", fixture.snapshots_path(), "/1/fs"));
}

TEST_CASE("A snapshot keeps the mounts it was given when the driver changes",
          "[plugin][snapshotter][driver]") {
  SnapshotterFixture fixture;
  const auto [before, after] = GENERATE(table<Drivers, Drivers>(
      {{{kFuse}, {kOverlay}}, {{kOverlay}, {kFuse}}, {{kFuse}, {kOverlay, kFuse}}}));
  fixture.layers().drivers = before;
  const std::string tip = MakeImage(fixture);
  const auto active = fixture.snapshotter().Prepare("active", tip, {}).value();
  const auto view = fixture.snapshotter().View("view", tip, {}).value();
  fixture.layers().drivers = after;
  CHECK(fixture.snapshotter().Mounts("active").value() == active);
  fixture.Reopen();
  CHECK(fixture.snapshotter().Mounts("active").value() == active);
  CHECK(fixture.snapshotter().Mounts("view").value() == view);
  CHECK(fixture.snapshotter().Prepare("next", tip, {})->front().options.back() !=
        active.front().options.back());
}

TEST_CASE("What the kernel alone cannot show is shown by FUSE only where that is allowed",
          "[plugin][snapshotter][driver]") {
  SnapshotterFixture fixture;
  const std::string tip = MakeImage(fixture);
  fixture.layers().overlay_error = absl::DataLossError("the kernel shows an empty store path");
  SECTION("auto") {
    fixture.layers().drivers = {kOverlay, kFuse};
    const auto mounts = fixture.snapshotter().Prepare("key", tip, {});
    REQUIRE_OK(mounts);
    CHECK(mounts->front().options.back() == "lowerdir=/profile/100:/view/1-2");
    REQUIRE(fixture.warnings().size() == 1);
    CHECK(absl::StrContains(fixture.warnings().front(), "an empty store path"));
    // It stays so, although the kernel could show it now.
    fixture.layers().overlay_error = absl::OkStatus();
    CHECK(fixture.snapshotter().Mounts("key").value() == *mounts);
  }
  SECTION("overlay") {
    fixture.layers().drivers = {kOverlay};
    CHECK(absl::IsDataLoss(fixture.snapshotter().Prepare("key", tip, {}).status()));
    CHECK(fixture.Names().size() == 1);
  }
}

}  // namespace
}  // namespace stowage
