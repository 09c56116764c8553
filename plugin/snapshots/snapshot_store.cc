#include "plugin/snapshots/snapshot_store.h"

#include <iterator>
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

// What is kept of a caller's labels. Nobody else may say that a snapshot is ours, or that it is
// not.
SnapshotLabels KeptLabels(SnapshotLabels labels, bool is_remote) {
  labels.erase(kRemoteLayerLabel);
  if (is_remote) labels[kRemoteLayerLabel] = "true";
  for (auto label = labels.begin(); label != labels.end();)
    label = label->second.empty() ? labels.erase(label) : std::next(label);
  return labels;
}

// As precise as the database keeps it.
absl::Time Now() { return absl::FromUnixNanos(absl::ToUnixNanos(absl::Now())); }

}  // namespace

const char* SnapshotStore::Sql(Change change) {
  switch (change) {
    case kInsert:
      return "INSERT INTO snapshots(key, parent_id, kind, created_at, updated_at, chain_id, "
             "driver) VALUES(?1, nullif(?2, 0), ?3, ?4, ?4, ?5, ?6)";
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

absl::StatusOr<SnapshotStore::Writer> SnapshotStore::OpenWriter(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenStateDatabase(path));
  std::vector<SqliteStatement> changes;
  for (int change = 0; change < kChangeCount; ++change) {
    STOWAGE_ASSIGN_OR_RETURN(SqliteStatement statement,
                             database.Prepare(Sql(static_cast<Change>(change))));
    changes.push_back(std::move(statement));
  }
  return Writer{std::move(database), std::move(changes)};
}

absl::StatusOr<SnapshotStore::Reader> SnapshotStore::OpenReader(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenStateDatabase(path));
  STOWAGE_ASSIGN_OR_RETURN(SnapshotQueries queries, SnapshotQueries::Compile(database));
  return Reader{std::move(database), std::move(queries)};
}

absl::StatusOr<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(
    const std::string& database_path) {
  STOWAGE_ASSIGN_OR_RETURN(Writer writer, OpenWriter(database_path));
  STOWAGE_ASSIGN_OR_RETURN(Reader reader, OpenReader(database_path));
  std::unique_ptr<SnapshotStore> store(new SnapshotStore(std::move(reader), std::move(writer)));
  STOWAGE_RETURN_IF_ERROR(store->Load());
  return store;
}

absl::Status SnapshotStore::Load() {
  const absl::MutexLock lock(&read_mutex_);
  SnapshotPage page;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(std::vector<StoredSnapshot> rows, reader_.queries.Read(page));
    if (rows.empty()) return absl::OkStatus();
    page.after_id = rows.back().id;
    for (StoredSnapshot& row : rows) {
      std::vector<int64_t> layers;
      if (row.is_remote()) {
        STOWAGE_ASSIGN_OR_RETURN(layers, reader_.queries.Layers(row.id));
      }
      index_.Add(std::move(row), std::move(layers));
    }
  }
}

absl::StatusOr<std::vector<StoredSnapshot>> SnapshotStore::Read(const SnapshotPage& page) {
  if (page.label_name.empty()) return index_.Read(page.after_id, page.limit);
  const absl::MutexLock lock(&read_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(const ReadTransaction transaction,
                           ReadTransaction::Begin(reader_.database));
  return reader_.queries.Read(page);
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> SnapshotStore::LabelPairs(
    absl::string_view first, absl::string_view second) {
  const absl::MutexLock lock(&read_mutex_);
  return reader_.queries.LabelPairs(first, second);
}

absl::StatusOr<SqliteTransaction> SnapshotStore::Begin(bool durable) {
  if (durable != writer_.durable)
    STOWAGE_RETURN_IF_ERROR(writer_.database.Execute(durable ? "PRAGMA synchronous=FULL"
                                                             : "PRAGMA synchronous=NORMAL"));
  writer_.durable = durable;
  return SqliteTransaction::Begin(writer_.database);
}

absl::StatusOr<int64_t> SnapshotStore::ParentId(absl::string_view parent) {
  if (parent.empty()) return 0;
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, Find(parent));
  if (stored.snapshot.kind != SnapshotKind::kCommitted)
    return absl::InvalidArgumentError(
        absl::StrCat("parent snapshot ", parent, " is not committed"));
  return stored.id;
}

absl::Status SnapshotStore::RequireFree(absl::string_view key) const {
  if (key.empty()) return absl::InvalidArgumentError("a snapshot needs a key that is not empty");
  return index_.Contains(key)
             ? absl::AlreadyExistsError(absl::StrCat("snapshot ", key, " exists already"))
             : absl::OkStatus();
}

absl::StatusOr<StoredSnapshot> SnapshotStore::Insert(const NewSnapshot& snapshot,
                                                     int64_t parent_id) {
  StoredSnapshot row;
  row.parent_id = parent_id;
  row.chain_id = snapshot.chain_id;
  row.driver = snapshot.driver;
  row.snapshot.name = snapshot.key;
  row.snapshot.parent = snapshot.parent;
  row.snapshot.kind = snapshot.kind;
  row.snapshot.created_at = row.snapshot.updated_at = Now();
  row.snapshot.labels = KeptLabels(snapshot.labels, row.is_remote());
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kInsert]
                              .Bind(1, snapshot.key)
                              .Bind(2, parent_id)
                              .Bind(3, static_cast<int64_t>(snapshot.kind))
                              .Bind(4, absl::ToUnixNanos(row.snapshot.created_at))
                              .Bind(5, snapshot.chain_id)
                              .Bind(6, static_cast<int64_t>(snapshot.driver))
                              .Run());
  row.id = writer_.database.LastInsertRowId();
  STOWAGE_RETURN_IF_ERROR(PutLabels(row.id, row.snapshot.labels));
  int64_t position = 0;
  for (const int64_t layer : snapshot.layers)
    STOWAGE_RETURN_IF_ERROR(
        writer_.changes[kInsertLayer].Bind(1, row.id).Bind(2, position++).Bind(3, layer).Run());
  return row;
}

absl::Status SnapshotStore::PutLabel(int64_t id, absl::string_view label, absl::string_view value) {
  return writer_.changes[kInsertLabel].Bind(1, id).Bind(2, label).Bind(3, value).Run();
}

absl::Status SnapshotStore::PutLabels(int64_t id, const SnapshotLabels& labels) {
  for (const auto& [label, value] : labels) STOWAGE_RETURN_IF_ERROR(PutLabel(id, label, value));
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SnapshotStore::Create(const NewSnapshot& snapshot,
                                              absl::FunctionRef<absl::Status(int64_t)> place) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(const int64_t parent_id, ParentId(snapshot.parent));
  STOWAGE_RETURN_IF_ERROR(RequireFree(snapshot.key));
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot row, Insert(snapshot, parent_id));
  const int64_t id = row.id;
  STOWAGE_FAULT_POINT("snapshots.create.inserted");
  STOWAGE_RETURN_IF_ERROR(place(id));
  STOWAGE_FAULT_POINT("snapshots.create.placed");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.create.committed");
  index_.Add(std::move(row), snapshot.layers);
  return id;
}

absl::Status SnapshotStore::EnsureRemote(const NewSnapshot& snapshot, absl::string_view ref_label) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(const int64_t parent_id, ParentId(snapshot.parent));
  absl::StatusOr<StoredSnapshot> existing = index_.FindRemote(snapshot.chain_id, parent_id);
  if (!existing.ok()) {
    STOWAGE_RETURN_IF_ERROR(RequireFree(snapshot.key));
    STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
    STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot row, Insert(snapshot, parent_id));
    STOWAGE_FAULT_POINT("snapshots.remote.inserted");
    STOWAGE_RETURN_IF_ERROR(transaction.Commit());
    STOWAGE_FAULT_POINT("snapshots.remote.committed");
    index_.Add(std::move(row), snapshot.layers);
    return absl::OkStatus();
  }
  std::string& label = existing->snapshot.labels[std::string(ref_label)];
  if (label == snapshot.chain_id) return absl::OkStatus();
  // An Update has taken the label away.
  label = snapshot.chain_id;
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_RETURN_IF_ERROR(PutLabel(existing->id, ref_label, snapshot.chain_id));
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  index_.Change(*std::move(existing));
  return absl::OkStatus();
}

absl::Status SnapshotStore::Commit(int64_t id, absl::string_view key, absl::string_view name,
                                   const SnapshotLabels& labels, const SnapshotUsage& usage) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_RETURN_IF_ERROR(RequireFree(name));
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot row, Find(key));
  if (row.id != id || row.snapshot.kind != SnapshotKind::kActive)
    return absl::FailedPreconditionError(
        absl::StrCat("commit snapshot ", key, ": it is not active"));
  row.snapshot.name = std::string(name);
  row.snapshot.kind = SnapshotKind::kCommitted;
  row.snapshot.created_at = row.snapshot.updated_at = Now();
  row.usage = usage;
  row.snapshot.labels = KeptLabels(labels, /*is_remote=*/false);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kCommit]
                              .Bind(1, id)
                              .Bind(2, name)
                              .Bind(3, static_cast<int64_t>(SnapshotKind::kCommitted))
                              .Bind(4, absl::ToUnixNanos(row.snapshot.created_at))
                              .Bind(5, usage.size_bytes)
                              .Bind(6, usage.inodes)
                              .Run());
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kDeleteLabels].Bind(1, id).Run());
  STOWAGE_RETURN_IF_ERROR(PutLabels(id, row.snapshot.labels));
  STOWAGE_FAULT_POINT("snapshots.commit.updated");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.commit.committed");
  index_.Change(std::move(row));
  return absl::OkStatus();
}

absl::StatusOr<StoredSnapshot> SnapshotStore::Remove(absl::string_view key) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot row, Find(key));
  if (index_.HasChildren(row.id))
    return absl::FailedPreconditionError(
        absl::StrCat("remove snapshot ", key, ": it has children; remove those first"));
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/false));
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kDelete].Bind(1, row.id).Run());
  STOWAGE_FAULT_POINT("snapshots.remove.deleted");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.remove.committed");
  index_.Remove(row.id);
  return row;
}

absl::StatusOr<Snapshot> SnapshotStore::Update(const Snapshot& wanted,
                                               absl::Span<const std::string> field_paths) {
  const absl::MutexLock lock(&write_mutex_);
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot row, Find(wanted.name));
  STOWAGE_ASSIGN_OR_RETURN(SnapshotLabels labels,
                           UpdatedLabels(row.snapshot.labels, wanted, field_paths));
  row.snapshot.labels = KeptLabels(std::move(labels), row.is_remote());
  row.snapshot.updated_at = Now();
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, Begin(/*durable=*/true));
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kDeleteLabels].Bind(1, row.id).Run());
  STOWAGE_RETURN_IF_ERROR(PutLabels(row.id, row.snapshot.labels));
  STOWAGE_RETURN_IF_ERROR(writer_.changes[kTouch]
                              .Bind(1, row.id)
                              .Bind(2, absl::ToUnixNanos(row.snapshot.updated_at))
                              .Run());
  STOWAGE_FAULT_POINT("snapshots.update.updated");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("snapshots.update.committed");
  Snapshot updated = row.snapshot;
  index_.Change(std::move(row));
  return updated;
}

}  // namespace stowage
