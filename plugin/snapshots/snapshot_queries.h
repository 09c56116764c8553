#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sqlite.h"
#include "plugin/snapshots/snapshot_index.h"

namespace stowage {

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

  // At most page.limit rows, by ascending id. A parent's id is smaller than its children's.
  absl::StatusOr<std::vector<StoredSnapshot>> Read(const SnapshotPage& page);
  // What a remote snapshot adds to its parent, base first.
  absl::StatusOr<std::vector<int64_t>> Layers(int64_t id);
  // The values of two labels wherever a snapshot that is not committed has both; each pair once.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> LabelPairs(
      absl::string_view first, absl::string_view second);

 private:
  enum Query { kPage, kPageByLabel, kLabels, kLayers, kLabelPairs, kQueryCount };
  static const char* Sql(Query query);

  explicit SnapshotQueries(std::vector<SqliteStatement> statements)
      : statements_(std::move(statements)) {}
  absl::StatusOr<SnapshotLabels> Labels(int64_t id);

  std::vector<SqliteStatement> statements_;  // by Query
};

}  // namespace stowage
