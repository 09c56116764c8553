#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "plugin/snapshots/snapshot.h"
#include "plugin/snapshots/view_driver.h"

namespace stowage {

// A row of the table `snapshots` with its labels.
struct StoredSnapshot {
  int64_t id = 0;
  int64_t parent_id = 0;  // 0: none
  std::string chain_id;   // of a remote snapshot; "" for an ordinary one
  SnapshotUsage usage;    // as recorded at Commit
  ViewDriver driver = ViewDriver::kFuse;
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

// A copy in memory of all rows of the table `snapshots`, so that a question about one snapshot
// waits for no disk and no writer, however many snapshots there are. It decides nothing: whoever
// changes the table changes it afterwards. Thread-safe; no call takes longer than a chain is long.
class SnapshotIndex {
 public:
  // Errors: NotFound, naming the key.
  absl::StatusOr<StoredSnapshot> Find(absl::string_view key) const;
  // The remote snapshot of a chain on a parent (0: none). Errors: NotFound.
  absl::StatusOr<StoredSnapshot> FindRemote(absl::string_view chain_id, int64_t parent_id) const;
  bool Contains(absl::string_view key) const;
  // The snapshot `id` and all below it, top first. Errors: NotFound if it is gone.
  absl::StatusOr<std::vector<ChainLink>> Chain(int64_t id) const;
  // Whether `key` or a snapshot below it is remote; false if there is no such snapshot.
  bool HasRemote(absl::string_view key) const;
  bool HasChildren(int64_t id) const;
  // At most `limit` rows with larger ids than after_id, by ascending id.
  std::vector<StoredSnapshot> Read(int64_t after_id, int limit) const;

  // A new row, on a parent that is here. layers: of a remote snapshot, base first.
  void Add(StoredSnapshot row, std::vector<int64_t> layers);
  // Other content for the row of this id, which is here; parent and chain stay.
  void Change(StoredSnapshot row);
  // Takes away a row without children.
  void Remove(int64_t id);

 private:
  struct Entry {
    StoredSnapshot row;
    std::vector<int64_t> layers;
    const Entry* parent = nullptr;
    int64_t children = 0;
  };

  mutable absl::Mutex mutex_;  // a leaf
  absl::btree_map<int64_t, std::unique_ptr<Entry>> by_id_ ABSL_GUARDED_BY(mutex_);
  // The entries of by_id_; keys are their rows' names.
  absl::flat_hash_map<absl::string_view, Entry*> by_key_ ABSL_GUARDED_BY(mutex_);
  // Remote ones, by chain ID and parent.
  absl::flat_hash_map<std::pair<absl::string_view, int64_t>, Entry*> remote_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
