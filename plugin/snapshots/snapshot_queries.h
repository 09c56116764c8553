#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sqlite.h"
#include "plugin/snapshots/snapshot.h"

namespace stowage {

// A row of the table `snapshots` with its labels.
struct StoredSnapshot {
  int64_t id = 0;
  int64_t parent_id = 0;  // 0: none
  std::string chain_id;   // of a remote snapshot; "" for an ordinary one
  SnapshotUsage usage;    // as recorded at Commit
  Snapshot snapshot;

  bool is_remote() const { return !chain_id.empty(); }
  // Views with a parent show the parent's directories, remote snapshots the Nix store.
  bool has_directory() const {
    return !is_remote() && !(snapshot.kind == SnapshotKind::kView && parent_id != 0);
  }
};

// One snapshot of a chain, as a mount needs it.
struct ChainLink {
  int64_t id = 0;
  bool is_remote = false;
  std::vector<int64_t> layers;  // of a remote snapshot, base first
};

// Which rows to read a page of. Empty label_name: all.
struct SnapshotPage {
  int64_t after_id = 0;
  int limit = 100;
  std::string label_name;   // with this label ...
  std::string label_value;  // ... of this value
};

// The reading statements on one connection, compiled once. Uses the connection's lock: not
// thread-safe. Several calls see one state only inside one transaction of the caller.
class SnapshotQueries {
 public:
  // database must outlive the queries (it may be moved).
  static absl::StatusOr<SnapshotQueries> Compile(SqliteDatabase& database);

  // Errors: NotFound, naming the key.
  absl::StatusOr<StoredSnapshot> Find(absl::string_view key);
  // The remote snapshot of a chain on a parent (0: none). Errors: NotFound.
  absl::StatusOr<StoredSnapshot> FindRemote(absl::string_view chain_id, int64_t parent_id);
  // The snapshot `id` and all below it, top first; empty if there is no such row.
  absl::StatusOr<std::vector<ChainLink>> Chain(int64_t id);
  // At most page.limit rows, by ascending id. A parent's id is smaller than its children's.
  absl::StatusOr<std::vector<StoredSnapshot>> Read(const SnapshotPage& page);
  absl::StatusOr<bool> HasChildren(int64_t id);

 private:
  enum Query { kFind, kFindRemote, kChain, kPage, kPageByLabel, kLabels, kChildren, kQueryCount };
  static const char* Sql(Query query);

  explicit SnapshotQueries(std::vector<SqliteStatement> statements)
      : statements_(std::move(statements)) {}
  absl::StatusOr<SnapshotLabels> Labels(int64_t id);
  absl::StatusOr<StoredSnapshot> ReadOne(SqliteStatement& statement, absl::string_view shown);

  std::vector<SqliteStatement> statements_;  // by Query
};

}  // namespace stowage
