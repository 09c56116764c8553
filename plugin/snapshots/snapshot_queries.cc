#include "plugin/snapshots/snapshot_queries.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

#define STOWAGE_SNAPSHOT_COLUMNS                                                          \
  "SELECT s.id, s.key, ifnull(s.parent_id, 0), ifnull(p.key, ''), s.kind, s.created_at, " \
  "s.updated_at, s.chain_id, s.usage_bytes, s.usage_inodes, s.driver "                    \
  "FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent_id "

// A statement left in the middle of its rows would keep its read transaction, and with it the WAL.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(SqliteStatement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.Reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  SqliteStatement& statement_;
};

// Of a damaged database, or of a later version's: to be guessed at by nobody.
absl::Status CheckNumbers(const SqliteStatement& row) {
  const int64_t kind = row.ColumnInt64(4);
  const int64_t driver = row.ColumnInt64(10);
  if (kind >= static_cast<int64_t>(SnapshotKind::kView) &&
      kind <= static_cast<int64_t>(SnapshotKind::kCommitted) &&
      driver >= static_cast<int64_t>(ViewDriver::kFuse) &&
      driver <= static_cast<int64_t>(ViewDriver::kOverlay))
    return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("snapshot ", row.ColumnText(1),
                                          " in the database has kind ", kind, " and driver ",
                                          driver, ", which this version of Stowage does not know"));
}

absl::StatusOr<StoredSnapshot> RowOf(const SqliteStatement& row) {
  STOWAGE_RETURN_IF_ERROR(CheckNumbers(row));
  StoredSnapshot stored;
  stored.id = row.ColumnInt64(0);
  stored.snapshot.name = row.ColumnText(1);
  stored.parent_id = row.ColumnInt64(2);
  stored.snapshot.parent = row.ColumnText(3);
  stored.snapshot.kind = static_cast<SnapshotKind>(row.ColumnInt64(4));
  stored.snapshot.created_at = absl::FromUnixNanos(row.ColumnInt64(5));
  stored.snapshot.updated_at = absl::FromUnixNanos(row.ColumnInt64(6));
  stored.chain_id = row.ColumnText(7);
  stored.usage = {row.ColumnInt64(8), row.ColumnInt64(9)};
  stored.driver = static_cast<ViewDriver>(row.ColumnInt64(10));
  return stored;
}

}  // namespace

const char* SnapshotQueries::Sql(Query query) {
  switch (query) {
    case kPage:
      return STOWAGE_SNAPSHOT_COLUMNS "WHERE s.id > ? ORDER BY s.id LIMIT ?";
    case kPageByLabel:
      return STOWAGE_SNAPSHOT_COLUMNS
          "WHERE s.id > ? AND s.id IN "
          "(SELECT snapshot_id FROM snapshot_labels WHERE label = ? AND value = ?) "
          "ORDER BY s.id LIMIT ?";
    case kLabels:
      return "SELECT label, value FROM snapshot_labels WHERE snapshot_id = ?";
    case kLayers:
      return "SELECT layer_id FROM snapshot_layers WHERE snapshot_id = ? ORDER BY position";
    case kLabelPairs:
      return "SELECT DISTINCT a.value, b.value FROM snapshot_labels a "
             "JOIN snapshot_labels b ON b.snapshot_id = a.snapshot_id AND b.label = ?2 "
             "JOIN snapshots s ON s.id = a.snapshot_id "
             "WHERE a.label = ?1 AND s.kind != 3";
    case kQueryCount:
      break;
  }
  return "";
}

#undef STOWAGE_SNAPSHOT_COLUMNS

absl::StatusOr<SnapshotQueries> SnapshotQueries::Compile(SqliteDatabase& database) {
  std::vector<SqliteStatement> statements;
  for (int query = 0; query < kQueryCount; ++query) {
    STOWAGE_ASSIGN_OR_RETURN(SqliteStatement statement,
                             database.Prepare(Sql(static_cast<Query>(query))));
    statements.push_back(std::move(statement));
  }
  return SnapshotQueries(std::move(statements));
}

absl::StatusOr<std::vector<StoredSnapshot>> SnapshotQueries::Read(const SnapshotPage& page) {
  const bool by_label = !page.label_name.empty();
  SqliteStatement& statement = statements_[by_label ? kPageByLabel : kPage];
  const ResetAtEnd reset(statement);
  statement.Bind(1, page.after_id);
  if (by_label) statement.Bind(2, page.label_name).Bind(3, page.label_value);
  statement.Bind(by_label ? 4 : 2, int64_t{page.limit});
  std::vector<StoredSnapshot> rows;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return rows;
    STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot stored, RowOf(statement));
    STOWAGE_ASSIGN_OR_RETURN(stored.snapshot.labels, Labels(stored.id));
    rows.push_back(std::move(stored));
  }
}

absl::StatusOr<std::vector<int64_t>> SnapshotQueries::Layers(int64_t id) {
  SqliteStatement& statement = statements_[kLayers];
  const ResetAtEnd reset(statement);
  statement.Bind(1, id);
  std::vector<int64_t> layers;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return layers;
    layers.push_back(statement.ColumnInt64(0));
  }
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> SnapshotQueries::LabelPairs(
    absl::string_view first, absl::string_view second) {
  SqliteStatement& statement = statements_[kLabelPairs];
  const ResetAtEnd reset(statement);
  statement.Bind(1, first).Bind(2, second);
  std::vector<std::pair<std::string, std::string>> pairs;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return pairs;
    pairs.emplace_back(statement.ColumnText(0), statement.ColumnText(1));
  }
}

absl::StatusOr<SnapshotLabels> SnapshotQueries::Labels(int64_t id) {
  SqliteStatement& statement = statements_[kLabels];
  const ResetAtEnd reset(statement);
  statement.Bind(1, id);
  SnapshotLabels labels;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return labels;
    labels.emplace(statement.ColumnText(0), statement.ColumnText(1));
  }
}

}  // namespace stowage
