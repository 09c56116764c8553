#include "plugin/snapshots/snapshot_store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "plugin/containerd/labels.h"
#include "plugin/state/state_database.h"

namespace stowage {
namespace {

constexpr absl::string_view kLabelsPath = "labels";
constexpr absl::string_view kLabelPathPrefix = "labels.";

// A consistent view over several statements; ends without effect, since nothing is written.
class ReadTransaction {
 public:
  static absl::StatusOr<ReadTransaction> Begin(SqliteDatabase& database) {
    STOWAGE_RETURN_IF_ERROR(database.Execute("BEGIN"));
    return ReadTransaction(&database);
  }
  ReadTransaction(ReadTransaction&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)) {}
  ReadTransaction& operator=(ReadTransaction&&) = delete;
  ~ReadTransaction() {
    // A failed ROLLBACK means that SQLite has rolled back already.
    if (database_ != nullptr) (void)database_->Execute("ROLLBACK");
  }

 private:
  explicit ReadTransaction(SqliteDatabase* database) : database_(database) {}
  SqliteDatabase* database_;
};

absl::StatusOr<SnapshotLabels> UpdatedLabels(SnapshotLabels labels, const Snapshot& wanted,
                                             absl::Span<const std::string> field_paths) {
  if (field_paths.empty()) return wanted.labels;
  for (const std::string& path : field_paths) {
    if (path == kLabelsPath) {
      labels = wanted.labels;
      continue;
    }
    if (!absl::StartsWith(path, kLabelPathPrefix))
      return absl::InvalidArgumentError(absl::StrCat("update snapshot ", wanted.name, ": field '",
                                                     path, "' cannot be changed, only labels can"));
    const std::string name(absl::StripPrefix(path, kLabelPathPrefix));
    const auto value = wanted.labels.find(name);
    labels[name] = value == wanted.labels.end() ? "" : value->second;
  }
  return labels;
}

}  // namespace

const char* SnapshotStore::Sql(Change change) {
  switch (change) {
    case kInsert:
      return "INSERT INTO snapshots(key, parent_id, kind, created_at, updated_at, chain_id) "
             "VALUES(?1, nullif(?2, 0), ?3, ?4, ?4, ?5)";
    case kInsertLabel:
      return "INSERT OR REPLACE INTO snapshot_labels(snapshot_id, label, value) VALUES(?, ?, ?)";
    case kDeleteLabels:
      return "DELETE FROM snapshot_labels WHERE snapshot_id = ?";
    case kInsertLayer:
      return "INSERT INTO snapshot_layers(snapshot_id, position, layer_id) VALUES(?, ?, ?)";
    case kDelete:
      return "DELETE FROM snapshots WHERE id = ?";
    case kCommit:
      return "UPDATE snapshots SET key = ?2, kind = ?3, created_at = ?4, updated_at = ?4, "
             "usage_bytes = ?5, usage_inodes = ?6 WHERE id = ?1";
    case kTouch:
      return "UPDATE snapshots SET updated_at = ?2 WHERE id = ?1";
    case kChangeCount:
      break;
  }
  return "";
}

absl::StatusOr<SnapshotStore::Connection> SnapshotStore::Connect(const std::string& path,
                                                                 bool writable) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenStateDatabase(path));
  STOWAGE_ASSIGN_OR_RETURN(SnapshotQueries queries, SnapshotQueries::Compile(database));
  std::vector<SqliteStatement> changes;
  for (int change = 0; writable && change < kChangeCount; ++change) {
    STOWAGE_ASSIGN_OR_RETURN(SqliteStatement statement,
                             database.Prepare(Sql(static_cast<Change>(change))));
    changes.push_back(std::move(statement));
  }
  return Connection{std::move(database), std::move(queries), std::move(changes)};
}

absl::StatusOr<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(
    const std::string& database_path) {
  STOWAGE_ASSIGN_OR_RETURN(Connection writer, Connect(database_path, true));
  STOWAGE_ASSIGN_OR_RETURN(Connection reader, Connect(database_path, false));
  return std::unique_ptr<SnapshotStore>(new SnapshotStore(std::move(reader), std::move(writer)));
}

absl::StatusOr<StoredSnapshot> SnapshotStore::Find(absl::string_view key) {
  const absl::MutexLock lock(&read_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(const ReadTransaction transaction,
                           ReadTransaction::Begin(reader_.database));
  return reader_.queries.Find(key);
}

absl::StatusOr<std::vector<ChainLink>> SnapshotStore::Chain(int64_t id) {
  const absl::MutexLock lock(&read_mutex_);
  return reader_.queries.Chain(id);
}

absl::StatusOr<std::vector<StoredSnapshot>> SnapshotStore::Read(const SnapshotPage& page) {
  const absl::MutexLock lock(&read_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(const ReadTransaction transaction,
                           ReadTransaction::Begin(reader_.database));
  return reader_.queries.Read(page);
}

absl::StatusOr<SqliteTransaction> SnapshotStore::Begin(bool durable) {
  STOWAGE_RETURN_IF_ERROR(
      writer_.database.Execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
  return SqliteTransaction::Begin(writer_.database);
}

absl::StatusOr<int64_t> SnapshotStore::ParentId(absl::string_view parent) {
  if (parent.empty()) return 0;
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, writer_.queries.Find(parent));
  if (stored.snapshot.kind != SnapshotKind::kCommitted)
    return absl::InvalidArgumentError(
        absl::StrCat("parent snapshot ", parent, " is not committed"));
  return stored.id;
}

absl::Status SnapshotStore::RequireFree(absl::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("a snapshot needs a key that is not empty");
  const absl::Status found = writer_.queries.Find(key).status();
  if (absl::IsNotFound(found)) return absl::OkStatus();
  if (!found.ok()) return found;
  return absl::AlreadyExistsError(absl::StrCat("snapshot ", key, " exists already"));
}

absl::StatusOr<int64_t> SnapshotStore::Insert(const NewSnapshot& snapshot, int64_t parent_id) {
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kInsert]
                              .Bind(1, snapshot.key)
                              .Bind(2, parent_id)
                              .Bind(3, static_cast<int64_t>(snapshot.kind))
                              .Bind(4, absl::ToUnixNanos(absl::Now()))
                              .Bind(5, snapshot.chain_id)
                              .Run());
  const int64_t id = writer_.database.LastInsertRowId();
  STOWAGE_RETURN_IF_ERROR(ReplaceLabels(id, snapshot.labels, !snapshot.chain_id.empty()));
  int64_t position = 0;
  for (const int64_t layer : snapshot.layers)
    STOWAGE_RETURN_IF_ERROR(
        writer_.changes[kInsertLayer].Bind(1, id).Bind(2, position++).Bind(3, layer).Run());
  return id;
}

absl::Status SnapshotStore::PutLabel(int64_t id, absl::string_view label, absl::string_view value) {
  return writer_.changes[kInsertLabel].Bind(1, id).Bind(2, label).Bind(3, value).Run();
}

absl::Status SnapshotStore::ReplaceLabels(int64_t id, const SnapshotLabels& labels,
                                          bool is_remote) {
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kDeleteLabels].Bind(1, id).Run());
  for (const auto& [label, value] : labels) {
    // Nobody else may say that a snapshot is ours, or that it is not.
    if (value.empty() || label == kRemoteLayerLabel) continue;
    STOWAGE_RETURN_IF_ERROR(PutLabel(id, label, value));
  }
  return is_remote ? PutLabel(id, kRemoteLayerLabel, "true") : absl::OkStatus();
}

absl::StatusOr<int64_t> SnapshotStore::Create(const NewSnapshot& snapshot,
                                              absl::FunctionRef<absl::Status(int64_t)> place) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_ASSIGN_OR_RETURN(const int64_t parent_id, ParentId(snapshot.parent));
  STOWAGE_RETURN_IF_ERROR(RequireFree(snapshot.key));
  STOWAGE_ASSIGN_OR_RETURN(const int64_t id, Insert(snapshot, parent_id));
  STOWAGE_FAULT_POINT("snapshots.create.inserted");
  STOWAGE_RETURN_IF_ERROR(place(id));
  STOWAGE_FAULT_POINT("snapshots.create.placed");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.create.committed");
  return id;
}

absl::Status SnapshotStore::EnsureRemote(const NewSnapshot& snapshot, absl::string_view ref_label) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_ASSIGN_OR_RETURN(const int64_t parent_id, ParentId(snapshot.parent));
  const absl::StatusOr<StoredSnapshot> existing =
      writer_.queries.FindRemote(snapshot.chain_id, parent_id);
  if (absl::IsNotFound(existing.status())) {
    STOWAGE_RETURN_IF_ERROR(RequireFree(snapshot.key));
    STOWAGE_RETURN_IF_ERROR(Insert(snapshot, parent_id).status());
  } else if (!existing.ok()) {
    return existing.status();
  } else {
    const auto label = existing->snapshot.labels.find(std::string(ref_label));
    // An Update may have taken the label away.
    if (label == existing->snapshot.labels.end() || label->second != snapshot.chain_id)
      STOWAGE_RETURN_IF_ERROR(PutLabel(existing->id, ref_label, snapshot.chain_id));
  }
  STOWAGE_FAULT_POINT("snapshots.remote.inserted");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.remote.committed");
  return absl::OkStatus();
}

absl::Status SnapshotStore::Commit(int64_t id, absl::string_view key, absl::string_view name,
                                   const SnapshotLabels& labels, const SnapshotUsage& usage) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_RETURN_IF_ERROR(RequireFree(name));
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, writer_.queries.Find(key));
  if (stored.id != id || stored.snapshot.kind != SnapshotKind::kActive)
    return absl::FailedPreconditionError(
        absl::StrCat("commit snapshot ", key, ": it is not active"));
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kCommit]
                              .Bind(1, id)
                              .Bind(2, name)
                              .Bind(3, static_cast<int64_t>(SnapshotKind::kCommitted))
                              .Bind(4, absl::ToUnixNanos(absl::Now()))
                              .Bind(5, usage.size_bytes)
                              .Bind(6, usage.inodes)
                              .Run());
  STOWAGE_RETURN_IF_ERROR(ReplaceLabels(id, labels, /*is_remote=*/false));
  STOWAGE_FAULT_POINT("snapshots.commit.updated");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.commit.committed");
  return absl::OkStatus();
}

absl::StatusOr<StoredSnapshot> SnapshotStore::Remove(absl::string_view key) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/false));
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot stored, writer_.queries.Find(key));
  STOWAGE_ASSIGN_OR_RETURN(const bool has_children, writer_.queries.HasChildren(stored.id));
  if (has_children)
    return absl::FailedPreconditionError(
        absl::StrCat("remove snapshot ", key, ": it has children; remove those first"));
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kDelete].Bind(1, stored.id).Run());
  STOWAGE_FAULT_POINT("snapshots.remove.deleted");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.remove.committed");
  return stored;
}

absl::StatusOr<Snapshot> SnapshotStore::Update(const Snapshot& wanted,
                                               absl::Span<const std::string> field_paths) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, writer_.queries.Find(wanted.name));
  STOWAGE_ASSIGN_OR_RETURN(const SnapshotLabels labels,
                           UpdatedLabels(stored.snapshot.labels, wanted, field_paths));
  STOWAGE_RETURN_IF_ERROR(ReplaceLabels(stored.id, labels, stored.is_remote()));
  STOWAGE_RETURN_IF_ERROR(
      writer_.changes[kTouch].Bind(1, stored.id).Bind(2, absl::ToUnixNanos(absl::Now())).Run());
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot updated, writer_.queries.Find(wanted.name));
  STOWAGE_FAULT_POINT("snapshots.update.updated");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.update.committed");
  return std::move(updated.snapshot);
}

}  // namespace stowage
