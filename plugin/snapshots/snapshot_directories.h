#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "plugin/snapshots/tree_remover.h"

namespace stowage {

class SnapshotDirectories;

// A snapshot's directory before it has its number. Deleted again unless Keep is called, so that a
// failed call leaves nothing. Not thread-safe.
class NewSnapshotDirectory {
 public:
  NewSnapshotDirectory(NewSnapshotDirectory&& other) noexcept;
  NewSnapshotDirectory& operator=(NewSnapshotDirectory&&) = delete;
  ~NewSnapshotDirectory();

  // Gives it the name of snapshot `id`; call once.
  absl::Status Place(int64_t id);
  void Keep() { directories_ = nullptr; }

 private:
  friend class SnapshotDirectories;
  NewSnapshotDirectory(SnapshotDirectories* directories, std::string name)
      : directories_(directories), name_(std::move(name)) {}
  SnapshotDirectories* directories_;  // null: nothing to delete
  std::string name_;                  // below the snapshots directory
};

// The directories of ordinary snapshots: snapshots/<row id>/{fs,work}, of which "work" exists for
// writable ones only. Names are numbers, never keys: keys hold '/', blanks and ':'.
//
// Other names there are ours too: .new-<random> before a snapshot has its number, and
// .removing-<id>-<random> while it is being deleted. Thread-safe.
class SnapshotDirectories {
 public:
  struct Owner {
    uint32_t uid;
    uint32_t gid;
  };

  // Makes `root` (mode 0700) where needed and takes it for this process. Errors: FailedPrecondition
  // if another process holds it; else the system's. warn: see TreeRemover.
  static absl::StatusOr<std::unique_ptr<SnapshotDirectories>> Open(
      const std::string& root, std::function<void(absl::string_view)> warn);

  std::string UpperPath(int64_t id) const;
  std::string WorkPath(int64_t id) const;

  // A new directory with "fs" (0755, or mode and owner of parent_id's "fs") and, if `writable`,
  // "work". owner: of "fs", whatever the parent's is.
  absl::StatusOr<NewSnapshotDirectory> Create(bool writable, std::optional<int64_t> parent_id,
                                              std::optional<Owner> owner = std::nullopt);
  // Takes the directory of a snapshot away (a missing one is fine) and deletes it in the
  // background.
  absl::Status RemoveLater(int64_t id);
  // Starts deleting what was taken away earlier and is still there.
  absl::Status RemoveLeftovers();
  // Starts deleting directories that never got a number, and removes unfinished files. Only while
  // no Create is running.
  absl::Status RemoveUnplaced();
  // Numbers that have a directory, ascending.
  absl::StatusOr<std::vector<int64_t>> Ids() const;
  // Whether Mark was called on this directory, in any process: it tells an emptied directory from
  // the mount point of a file system that is not mounted.
  bool Marked() const;
  absl::Status Mark();

  // Waits for the background. For tests.
  void Drain() { remover_.Drain(); }

 private:
  friend class NewSnapshotDirectory;
  SnapshotDirectories(std::string root, UniqueFd root_fd,
                      std::function<void(absl::string_view)> warn);
  absl::Status TakeAway(const std::string& name);
  absl::StatusOr<std::vector<std::string>> NamesWithPrefix(absl::string_view prefix) const;

  const std::string root_;
  const UniqueFd root_fd_;  // holds the lock
  TreeRemover remover_;
};

}  // namespace stowage
