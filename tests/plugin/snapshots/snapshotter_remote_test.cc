#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "plugin/containerd/labels.h"
#include "tests/plugin/snapshots/snapshotter_fixture.h"

namespace stowage {
namespace {

using testing::FakeRemoteLayers;
using testing::RefFilter;
using testing::SnapshotterFixture;

SnapshotLabels RefLabels(char chain) {
  return {{kSnapshotRefLabel, FakeRemoteLayers::ChainId(chain).ToString()}};
}

std::vector<std::string> LowersOf(const absl::StatusOr<std::vector<Mount>>& mounts) {
  REQUIRE_OK(mounts);
  REQUIRE(mounts->size() == 1);
  return mounts->front().options;
}

TEST_CASE("Prepare of a known chain commits a remote snapshot and answers AlreadyExists",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  SnapshotLabels labels = RefLabels('a');
  labels["containerd.io/snapshot/stowage.layer"] = "hint";
  const auto prepared = fixture.snapshotter().Prepare("extract-1 a", "", labels);
  CHECK(absl::IsAlreadyExists(prepared.status()));
  const std::vector<std::string> names = fixture.Names({RefFilter('a', "")});
  REQUIRE(names.size() == 1);
  const Snapshot remote = fixture.snapshotter().Stat(names.front()).value();
  CHECK(remote.kind == SnapshotKind::kCommitted);
  CHECK(remote.parent.empty());
  labels[kRemoteLayerLabel] = "true";
  CHECK(remote.labels == labels);
  CHECK(fixture.snapshotter().Usage(names.front()).value() == SnapshotUsage{});
  CHECK(absl::IsNotFound(fixture.snapshotter().Stat("extract-1 a").status()));
  CHECK(fixture.warnings().empty());
}

TEST_CASE("A remote snapshot outlives the process", "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1, 2});
  const std::string name = fixture.PrepareRemote('a', "");
  fixture.Reopen();
  CHECK(fixture.Names({RefFilter('a', "")}) == std::vector<std::string>{name});
  CHECK(LowersOf(fixture.snapshotter().View("v", name, {})) ==
        std::vector<std::string>{"ro", "rbind"});
  CHECK(fixture.snapshotter().Mounts("v")->front().source == "/view/1-2");
}

TEST_CASE("Preparing a chain again, from any namespace, gives the same one snapshot",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  fixture.layers().Register('b', 'a', {2});
  const std::string base = fixture.PrepareRemote('a', "");
  const std::string tip = fixture.PrepareRemote('b', base);
  CHECK(fixture.PrepareRemote('a', "") == base);
  CHECK(fixture.PrepareRemote('b', base) == tip);
  CHECK(fixture.Names().size() == 2);
}

TEST_CASE("A tip on the empty parent stands beside the same chain layer by layer",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  fixture.layers().Register('b', 'a', {2});
  fixture.layers().Register('c', 'b', {100});
  fixture.layers().Register('c', std::nullopt, {1, 2, 100});
  const std::string tip = fixture.PrepareRemote('c', "");
  const std::string top =
      fixture.PrepareRemote('c', fixture.PrepareRemote('b', fixture.PrepareRemote('a', "")));
  CHECK(tip != top);
  Snapshotter& snapshotter = fixture.snapshotter();
  const std::string root = fixture.snapshots_path();
  CHECK(snapshotter.Prepare("one", tip, {})->front().options.back() ==
        "lowerdir=/profile/100:/view/1-2");
  CHECK(snapshotter.Prepare("two", top, {})->front().options.back() ==
        "lowerdir=/profile/100:/view/1-2");
  CHECK(LowersOf(snapshotter.View("view", tip, {})) ==
        std::vector<std::string>{"index=off", "lowerdir=/profile/100:/view/1-2"});
}

TEST_CASE("Runs of remote layers are shown together, ordinary ones by themselves",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1, 2});
  fixture.layers().Register('b', 'a', {3});
  const std::string remote = fixture.PrepareRemote('b', fixture.PrepareRemote('a', ""));
  fixture.CommitLayer("ordinary", remote);  // row 3
  const auto mounts = fixture.snapshotter().Prepare("key", "ordinary", {});
  REQUIRE_OK(mounts);
  CHECK(mounts->front().options.back() ==
        absl::StrCat("lowerdir=", fixture.snapshots_path(), "/3/fs:/view/1-2-3"));
}

TEST_CASE("A chain that is not registered becomes an ordinary snapshot",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('b', 'a', {2});
  const auto prepared = fixture.snapshotter().Prepare("extract-1 b", "", RefLabels('b'));
  REQUIRE_OK(prepared);
  CHECK(prepared->front().options == std::vector<std::string>{"rw", "rbind"});
  REQUIRE_OK(fixture.snapshotter().Commit("b", "extract-1 b", RefLabels('b')));
  CHECK(fixture.warnings().empty());  // the usual course for other people's images
  // containerd finds that one too, as with any snapshotter.
  CHECK(fixture.Names({RefFilter('b', "")}) == std::vector<std::string>{"b"});
}

TEST_CASE("The snapshot.ref label of an ordinary parent proves nothing",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  fixture.layers().Register('b', 'a', {2});
  REQUIRE_OK(fixture.snapshotter().Prepare("key", "", {}));
  REQUIRE_OK(fixture.snapshotter().Commit("crafted", "key", RefLabels('a')));
  CHECK(fixture.snapshotter().Prepare("extract-1 b", "crafted", RefLabels('b')).ok());
}

TEST_CASE("Errors of RemoteLayers and crafted labels end in an ordinary snapshot and a warning",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  SECTION("RemoteLayers fails") {
    fixture.layers().find_error = absl::InternalError("store is broken");
    CHECK(fixture.snapshotter().Prepare("key", "", RefLabels('a')).ok());
  }
  SECTION("not a digest") {
    CHECK(fixture.snapshotter().Prepare("key", "", {{kSnapshotRefLabel, "../etc"}}).ok());
  }
  SECTION("layers that are not in the database") {
    fixture.layers().Register('a', std::nullopt, {77});
    CHECK(fixture.snapshotter().Prepare("key", "", RefLabels('a')).ok());
  }
  SECTION("its name is taken") {
    const std::string name =
        absl::StrCat("remote/", FakeRemoteLayers::ChainId('a').ToString(), "/0");
    REQUIRE_OK(fixture.snapshotter().Prepare(name, "", {}));
    CHECK(fixture.snapshotter().Prepare("key", "", RefLabels('a')).ok());
  }
  CHECK(fixture.warnings().size() == 1);
  CHECK(fixture.snapshotter().Stat("key")->kind == SnapshotKind::kActive);
}

TEST_CASE("An empty snapshot.ref is no snapshot.ref", "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  CHECK(fixture.snapshotter().Prepare("key", "", {{kSnapshotRefLabel, ""}}).ok());
  CHECK(fixture.warnings().empty());
}

TEST_CASE("Prepare with snapshot.ref keeps the contract about parents",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  REQUIRE_OK(fixture.snapshotter().Prepare("active", "", {}));
  CHECK(absl::IsNotFound(fixture.snapshotter().Prepare("k", "unknown", RefLabels('a')).status()));
  CHECK(absl::IsInvalidArgument(
      fixture.snapshotter().Prepare("k", "active", RefLabels('a')).status()));
}

TEST_CASE("A container whose layers cannot be mounted fails and leaves nothing",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  const std::string remote = fixture.PrepareRemote('a', "");
  REQUIRE_OK(fixture.snapshotter().Prepare("before", remote, {}));
  fixture.layers().lower_error = absl::FailedPreconditionError("start stowage-fuse");
  for (const absl::Status& status : {fixture.snapshotter().Prepare("key", remote, {}).status(),
                                     fixture.snapshotter().View("key", remote, {}).status(),
                                     fixture.snapshotter().Mounts("before").status()}) {
    CHECK(absl::IsFailedPrecondition(status));
    CHECK(status.message() == "start stowage-fuse");
  }
  CHECK(absl::IsNotFound(fixture.snapshotter().Stat("key").status()));
  // Layers can still be registered: nothing is mounted for that.
  fixture.layers().Register('b', 'a', {2});
  fixture.PrepareRemote('b', remote);
}

TEST_CASE("A remote snapshot answers as any committed one", "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  const std::string remote = fixture.PrepareRemote('a', "");
  Snapshotter& snapshotter = fixture.snapshotter();
  REQUIRE_OK(snapshotter.Prepare("active", "", {}));
  CHECK(absl::IsFailedPrecondition(snapshotter.Mounts(remote).status()));
  CHECK(absl::IsFailedPrecondition(snapshotter.Commit("name", remote, {})));
  CHECK(absl::IsAlreadyExists(snapshotter.Commit(remote, "active", {})));
  CHECK(absl::IsAlreadyExists(snapshotter.Prepare(remote, "", {}).status()));
  CHECK(absl::IsAlreadyExists(snapshotter.View(remote, remote, {}).status()));
  REQUIRE_OK(snapshotter.View("view", remote, {}));
  CHECK(absl::IsInvalidArgument(snapshotter.Prepare("on view", "view", {}).status()));
  CHECK(absl::IsFailedPrecondition(snapshotter.Commit("name", "view", {})));
  CHECK(snapshotter.Usage("view").value() == SnapshotUsage{});
  CHECK(absl::IsFailedPrecondition(snapshotter.Remove(remote)));
  REQUIRE_OK(snapshotter.Remove("view"));
  CHECK(snapshotter.Remove(remote).ok());
  CHECK(fixture.Names() == std::vector<std::string>{"active"});
}

TEST_CASE("Removing remote snapshots frees their layers and tells so",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  const std::string remote = fixture.PrepareRemote('a', "");
  REQUIRE_OK(fixture.snapshotter().Prepare("active", remote, {}));
  CHECK(absl::IsFailedPrecondition(fixture.snapshotter().Remove(remote)));
  REQUIRE_OK(fixture.snapshotter().Remove("active"));
  CHECK(fixture.layers().removals == 0);
  REQUIRE_OK(fixture.snapshotter().Remove(remote));
  CHECK(fixture.layers().removals == 1);
  fixture.Execute("DELETE FROM layers WHERE id = 1");  // fails while a row of it is held
  fixture.layers().Register('a', std::nullopt, {2});
  CHECK(fixture.PrepareRemote('a', "") == remote);
}

TEST_CASE("Held layers cannot be deleted from the database", "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1, 2});
  fixture.PrepareRemote('a', "");
  auto database = SqliteDatabase::Open(fixture.database_path());
  REQUIRE_OK(database);
  CHECK(absl::IsFailedPrecondition(database->Execute("DELETE FROM layers WHERE id = 2")));
}

TEST_CASE("Only a remote snapshot carries the label that says so, whatever others write",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  const SnapshotLabels claim = {{kRemoteLayerLabel, "true"}};
  REQUIRE_OK(fixture.snapshotter().Prepare("key", "", claim));
  CHECK(fixture.snapshotter().Stat("key")->labels.empty());
  REQUIRE_OK(fixture.snapshotter().Commit("ordinary", "key", claim));
  Snapshot wanted;
  wanted.name = "ordinary";
  wanted.labels = claim;
  CHECK(fixture.snapshotter().Update(wanted, {})->labels.empty());
  wanted.name = fixture.PrepareRemote('a', "");
  wanted.labels.clear();
  CHECK(fixture.snapshotter().Update(wanted, {})->labels == claim);
}

TEST_CASE("A remote snapshot whose labels were replaced is found again after Prepare",
          "[plugin][snapshotter][remote]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  Snapshot wanted;
  wanted.name = fixture.PrepareRemote('a', "");
  wanted.labels = {{"other", "1"}};
  REQUIRE_OK(fixture.snapshotter().Update(wanted, {}));
  CHECK(fixture.Names({RefFilter('a', "")}).empty());
  CHECK(fixture.PrepareRemote('a', "") == wanted.name);
  CHECK(fixture.snapshotter().Stat(wanted.name)->labels.at("other") == "1");
}

}  // namespace
}  // namespace stowage
