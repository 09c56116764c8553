#include "tests/plugin/snapshots/snapshotter_fixture.h"

#include <utility>

#include "base/directory.h"
#include "plugin/state/state_database.h"

namespace stowage::testing {

SnapshotterFixture::SnapshotterFixture() {
  Reopen();
  for (int layer = 1; layer < 10; ++layer)
    for (const int id : {layer, 99 + layer})
      Execute(absl::StrCat(
          "INSERT INTO layers(id, content_key, kind, diff_id, size_bytes, rooted) VALUES(", id,
          ",'key", id, "',", id >= 100, ",'sha256:x',1,1)"));
}

absl::StatusOr<std::unique_ptr<Snapshotter>> SnapshotterFixture::TryOpen() {
  SnapshotterOptions options;
  options.state_directory = path();
  options.database_path = database_path();
  options.fuse_mountpoint = layers_.view_directory;
  options.overlay = {.index_off = true, .user_xattr = false};
  options.warn = [this](absl::string_view message) {
    const absl::MutexLock lock(&mutex_);
    warnings_.emplace_back(message);
  };
  return Snapshotter::Open(std::move(options), layers_);
}

void SnapshotterFixture::Reopen() {
  snapshotter_.reset();
  auto snapshotter = TryOpen();
  REQUIRE_OK(snapshotter);
  snapshotter_ = *std::move(snapshotter);
}

std::vector<std::string> SnapshotterFixture::warnings() {
  const absl::MutexLock lock(&mutex_);
  return warnings_;
}

void SnapshotterFixture::Execute(const std::string& sql) {
  auto database = OpenStateDatabase(database_path());
  REQUIRE_OK(database);
  REQUIRE_OK(database->Execute(sql));
}

void SnapshotterFixture::CommitLayer(const std::string& name, const std::string& parent) {
  REQUIRE_OK(snapshotter_->Prepare("extract " + name, parent, {}));
  REQUIRE_OK(snapshotter_->Commit(name, "extract " + name, {}));
}

std::string SnapshotterFixture::PrepareRemote(char chain, const std::string& parent) {
  const auto prepared =
      snapshotter_->Prepare(absl::StrCat("extract-1 ", std::string(1, chain)), parent,
                            {{kSnapshotRefLabel, FakeRemoteLayers::ChainId(chain).ToString()}});
  INFO(prepared.status());
  REQUIRE(absl::IsAlreadyExists(prepared.status()));
  const std::vector<std::string> names = Names({RefFilter(chain, parent)});
  REQUIRE(names.size() == 1);
  return names.front();
}

void SnapshotterFixture::InsertViews(int count) {
  ReopenAfter([&] {
    Execute(absl::StrCat(
        "BEGIN; WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ",
        count,
        ") INSERT INTO snapshots(key, kind, created_at, updated_at) "
        "SELECT 'view ' || i, 1, 1, 1 FROM n; "
        "INSERT INTO snapshot_labels(snapshot_id, label, value) SELECT id, 'parity', "
        "CASE WHEN substr(key, 6) % 2 THEN 'odd' ELSE 'even' END FROM snapshots; COMMIT"));
    for (int id = 1; id <= count; ++id)
      REQUIRE_OK(MakeDirectories(absl::StrCat(snapshots_path(), "/", id)));
  });
}

std::vector<std::string> SnapshotterFixture::Names(const std::vector<std::string>& filters) {
  std::vector<std::string> names;
  REQUIRE_OK(snapshotter_->Walk(filters, [&](const Snapshot& snapshot) {
    names.push_back(snapshot.name);
    return absl::OkStatus();
  }));
  return names;
}

std::string RefFilter(char chain, const std::string& parent) {
  return absl::StrCat("labels.\"", kSnapshotRefLabel,
                      "\"==", FakeRemoteLayers::ChainId(chain).ToString(), ",parent==\"", parent,
                      "\"");
}

}  // namespace stowage::testing
