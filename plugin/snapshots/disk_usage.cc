#include "plugin/snapshots/disk_usage.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

constexpr int kBlockBytes = 512;
constexpr int kAttempts = 3;
constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

using InodeKey = std::pair<dev_t, ino_t>;

class Walk {
 public:
  Walk(const std::string& root, int64_t max_inodes) : root_(root), max_inodes_(max_inodes) {}

  absl::StatusOr<SnapshotUsage> Run() {
    STOWAGE_ASSIGN_OR_RETURN(current_, OpenAt(AT_FDCWD, root_, kOpenFlags));
    STOWAGE_RETURN_IF_ERROR(Enter());
    while (!levels_.empty()) {
      if (levels_.back().subdirectories.empty()) {
        STOWAGE_RETURN_IF_ERROR(Leave());
        continue;
      }
      const std::string name = std::move(levels_.back().subdirectories.back());
      levels_.back().subdirectories.pop_back();
      absl::StatusOr<UniqueFd> child = OpenAt(current_.get(), name, kOpenFlags);
      if (IsGone(child.status())) continue;
      if (!child.ok()) return child.status();
      current_ = *std::move(child);
      STOWAGE_RETURN_IF_ERROR(Enter());
    }
    return usage_;
  }

 private:
  struct Level {
    InodeKey key;
    std::vector<std::string> subdirectories;  // still to be walked
  };

  // Removed, or replaced by something that is no directory, since it was listed.
  static bool IsGone(const absl::Status& status) {
    return absl::IsNotFound(status) || absl::IsFailedPrecondition(status);
  }

  absl::Status Count(const struct stat& status) {
    if (!counted_.insert({status.st_dev, status.st_ino}).second) return absl::OkStatus();
    if (usage_.inodes == max_inodes_)
      return absl::OutOfRangeError(
          absl::StrCat("measure ", root_, ": more than ", max_inodes_, " inodes"));
    usage_.size_bytes += static_cast<int64_t>(status.st_blocks) * kBlockBytes;
    ++usage_.inodes;
    return absl::OkStatus();
  }

  absl::Status Enter() {
    struct stat status;
    if (::fstat(current_.get(), &status) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("stat in ", root_));
    STOWAGE_RETURN_IF_ERROR(Count(status));
    Level level{{status.st_dev, status.st_ino}, {}};
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             ListDirectory(current_.get(), root_));
    for (const std::string& name : names) {
      if (::fstatat(current_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        return absl::ErrnoToStatus(errno, absl::StrCat("stat ", name, " in ", root_));
      }
      if (S_ISDIR(status.st_mode)) {
        level.subdirectories.push_back(name);
      } else {
        STOWAGE_RETURN_IF_ERROR(Count(status));
      }
    }
    levels_.push_back(std::move(level));
    return absl::OkStatus();
  }

  absl::Status Leave() {
    levels_.pop_back();
    if (levels_.empty()) return absl::OkStatus();
    absl::StatusOr<UniqueFd> parent = OpenAt(current_.get(), "..", kOpenFlags);
    struct stat status;
    if (parent.ok() && ::fstat(parent->get(), &status) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("stat in ", root_));
    // A directory that was moved has another parent, a deleted one none. Following it could lead
    // out of the tree.
    if (!parent.ok() || InodeKey(status.st_dev, status.st_ino) != levels_.back().key)
      return absl::AbortedError(
          absl::StrCat("measure ", root_, ": directories are being moved or removed"));
    current_ = *std::move(parent);
    return absl::OkStatus();
  }

  const std::string& root_;
  const int64_t max_inodes_;
  UniqueFd current_;
  std::vector<Level> levels_;
  absl::flat_hash_set<InodeKey> counted_;
  SnapshotUsage usage_;
};

}  // namespace

absl::StatusOr<SnapshotUsage> MeasureDiskUsage(const std::string& directory, int64_t max_inodes) {
  absl::StatusOr<SnapshotUsage> usage;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    usage = Walk(directory, max_inodes).Run();
    if (!absl::IsAborted(usage.status())) break;
  }
  return usage;
}

}  // namespace stowage
