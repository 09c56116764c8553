#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/sqlite.h"
#include "plugin/snapshots/snapshot.h"
#include "plugin/snapshots/snapshot_index.h"
#include "plugin/snapshots/snapshot_queries.h"

namespace stowage {

struct NewSnapshot {
  SnapshotKind kind = SnapshotKind::kActive;
  std::string key;
  std::string parent;  // "" for none
  SnapshotLabels labels;
  std::string chain_id;         // of a remote snapshot
  std::vector<int64_t> layers;  // of a remote snapshot, base first
  // Of an active snapshot or a view on remote ones: how it shows them, as long as it lives.
  ViewDriver driver = ViewDriver::kFuse;
};

// Rows of snapshots, their labels and layers in the state database, with the rules of containerd's
// contract about keys, parents and kinds. Errors as Snapshotter's, and as SqliteDatabase's.
//
// Every change but a removal is on disk (fsync) before the call returns: containerd's own database
// is, and it must not know snapshots that we lost with the power. A removal need not be: containerd
// removes again what it does not know.
//
// Questions are answered from memory, where all rows are from Open on; SQLite is only asked which
// rows have a label, for which it has an index. A change is seen once it is in the database. One
// store at a time works on a database.
//
// Thread-safe. Readers never wait for a writer.
class SnapshotStore {
 public:
  static absl::StatusOr<std::unique_ptr<SnapshotStore>> Open(const std::string& database_path);

  // See SnapshotIndex.
  absl::StatusOr<StoredSnapshot> Find(absl::string_view key) const { return index_.Find(key); }
  absl::StatusOr<std::vector<ChainLink>> Chain(int64_t id) const { return index_.Chain(id); }
  bool HasRemote(absl::string_view key) const { return index_.HasRemote(key); }
  // AlreadyExists for a taken key, InvalidArgument for "".
  absl::Status RequireFree(absl::string_view key) const;
  absl::StatusOr<std::vector<StoredSnapshot>> Read(const SnapshotPage& page);
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> LabelPairs(
      absl::string_view first, absl::string_view second);

  // Adds a row. place: called with the new id before the row becomes visible; its error undoes the
  // call. AlreadyExists for a taken key, NotFound or InvalidArgument for the parent.
  absl::StatusOr<int64_t> Create(const NewSnapshot& snapshot,
                                 absl::FunctionRef<absl::Status(int64_t)> place);
  // Makes sure that the remote snapshot of (chain_id, parent) exists and carries the label
  // ref_label = chain_id, by which containerd looks for it.
  absl::Status EnsureRemote(const NewSnapshot& snapshot, absl::string_view ref_label);
  // Makes the active snapshot `id` under `key` the committed one `name`, with these labels only.
  absl::Status Commit(int64_t id, absl::string_view key, absl::string_view name,
                      const SnapshotLabels& labels, const SnapshotUsage& usage);
  // Removes a row without children and returns what it was.
  absl::StatusOr<StoredSnapshot> Remove(absl::string_view key);
  absl::StatusOr<Snapshot> Update(const Snapshot& wanted,
                                  absl::Span<const std::string> field_paths);

 private:
  enum Change {
    kInsert,
    kInsertLabel,
    kDeleteLabels,
    kInsertLayer,
    kDelete,
    kCommit,
    kTouch,
    kChangeCount
  };
  struct Writer {
    SqliteDatabase database;
    std::vector<SqliteStatement> changes;  // by Change
    bool durable = false;                  // whether a commit is synced
  };
  struct Reader {
    SqliteDatabase database;
    SnapshotQueries queries;
  };
  static const char* Sql(Change change);
  static absl::StatusOr<Writer> OpenWriter(const std::string& path);
  static absl::StatusOr<Reader> OpenReader(const std::string& path);
  SnapshotStore(Reader reader, Writer writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}
  absl::Status Load();

  absl::StatusOr<SqliteTransaction> Begin(bool durable) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // The id of a committed snapshot; 0 for "".
  absl::StatusOr<int64_t> ParentId(absl::string_view parent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // The row as it was written; the index does not know it yet.
  absl::StatusOr<StoredSnapshot> Insert(const NewSnapshot& snapshot, int64_t parent_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status PutLabel(int64_t id, absl::string_view label, absl::string_view value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status PutLabels(int64_t id, const SnapshotLabels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  // No thread takes both mutexes. write_mutex_ is held over the transaction's fsync: SQLite has one
  // writer anyway.
  absl::Mutex read_mutex_;
  Reader reader_ ABSL_GUARDED_BY(read_mutex_);
  absl::Mutex write_mutex_;
  Writer writer_ ABSL_GUARDED_BY(write_mutex_);
  SnapshotIndex index_;  // changed by whoever holds write_mutex_
};

}  // namespace stowage
