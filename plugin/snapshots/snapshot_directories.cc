#include "plugin/snapshots/snapshot_directories.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr absl::string_view kNewPrefix = ".new-";
constexpr char kMarker[] = ".stowage";
constexpr absl::string_view kRemovingPrefix = ".removing-";
constexpr mode_t kUpperMode = 0755;
constexpr mode_t kWorkMode = 0711;

std::string RandomText() {
  thread_local absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

absl::Status MakeDirectoryAt(int directory_fd, const std::string& name, mode_t mode) {
  if (::mkdirat(directory_fd, name.c_str(), mode) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("create snapshot directory ", name));
  return absl::OkStatus();
}

// The root of a container shows the attributes of the topmost directory, which is the new one.
absl::Status MakeUpper(int root_fd, const std::string& path, std::optional<int64_t> parent_id,
                       std::optional<SnapshotDirectories::Owner> owner) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectoryAt(root_fd, path, kUpperMode));
  struct stat wanted = {};
  wanted.st_mode = kUpperMode;
  if (parent_id.has_value()) {
    const std::string parent = absl::StrCat(*parent_id, "/fs");
    if (::fstatat(root_fd, parent.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("stat parent snapshot's ", parent));
    if (!owner.has_value()) owner = {wanted.st_uid, wanted.st_gid};
  }
  if (owner.has_value() &&
      ::fchownat(root_fd, path.c_str(), owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("chown ", path));
  // After the owner, whose change clears bits; also undoes the umask.
  if (::fchmodat(root_fd, path.c_str(), wanted.st_mode & 07777, 0) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("chmod ", path));
  return absl::OkStatus();
}

}  // namespace

NewSnapshotDirectory::NewSnapshotDirectory(NewSnapshotDirectory&& other) noexcept
    : directories_(std::exchange(other.directories_, nullptr)), name_(std::move(other.name_)) {}

NewSnapshotDirectory::~NewSnapshotDirectory() {
  // What cannot be renamed is found at the next start.
  if (directories_ != nullptr) (void)directories_->TakeAway(name_);
}

absl::Status NewSnapshotDirectory::Place(int64_t id) {
  const std::string placed = absl::StrCat(id);
  const int root_fd = directories_->root_fd_.get();
  if (::renameat(root_fd, name_.c_str(), root_fd, placed.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("rename snapshot directory to ", placed));
  name_ = placed;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SnapshotDirectories>> SnapshotDirectories::Open(
    const std::string& root, std::function<void(absl::string_view)> warn) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(root, 0700));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, root, O_RDONLY | O_DIRECTORY));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, absl::StrCat("lock ", root));
    return absl::FailedPreconditionError(absl::StrCat(
        "lock ", root, ": another process uses it; stop that one or choose another directory"));
  }
  return std::unique_ptr<SnapshotDirectories>(
      new SnapshotDirectories(root, std::move(fd), std::move(warn)));
}

SnapshotDirectories::SnapshotDirectories(std::string root, UniqueFd root_fd,
                                         std::function<void(absl::string_view)> warn)
    : root_(std::move(root)), root_fd_(std::move(root_fd)), remover_(std::move(warn)) {}

std::string SnapshotDirectories::UpperPath(int64_t id) const {
  return absl::StrCat(root_, "/", id, "/fs");
}

std::string SnapshotDirectories::WorkPath(int64_t id) const {
  return absl::StrCat(root_, "/", id, "/work");
}

absl::StatusOr<NewSnapshotDirectory> SnapshotDirectories::Create(bool writable,
                                                                 std::optional<int64_t> parent_id,
                                                                 std::optional<Owner> owner) {
  const std::string name = absl::StrCat(kNewPrefix, RandomText());
  STOWAGE_RETURN_IF_ERROR(MakeDirectoryAt(root_fd_.get(), name, 0700));
  STOWAGE_FAULT_POINT("snapshots.directory.made");
  NewSnapshotDirectory directory(this, name);
  STOWAGE_RETURN_IF_ERROR(MakeUpper(root_fd_.get(), absl::StrCat(name, "/fs"), parent_id, owner));
  if (writable)
    STOWAGE_RETURN_IF_ERROR(
        MakeDirectoryAt(root_fd_.get(), absl::StrCat(name, "/work"), kWorkMode));
  STOWAGE_FAULT_POINT("snapshots.directory.filled");
  return directory;
}

absl::Status SnapshotDirectories::TakeAway(const std::string& name) {
  const std::string removing = absl::StrCat(kRemovingPrefix, name, "-", RandomText());
  if (::renameat(root_fd_.get(), name.c_str(), root_fd_.get(), removing.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("rename ", root_, "/", name));
  }
  STOWAGE_FAULT_POINT("snapshots.directory.taken_away");
  remover_.Add(absl::StrCat(root_, "/", removing));
  return absl::OkStatus();
}

absl::Status SnapshotDirectories::RemoveLater(int64_t id) { return TakeAway(absl::StrCat(id)); }

absl::StatusOr<std::vector<std::string>> SnapshotDirectories::NamesWithPrefix(
    absl::string_view prefix) const {
  STOWAGE_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(root_fd_.get(), root_));
  names.erase(
      std::remove_if(names.begin(), names.end(),
                     [&](const std::string& name) { return !absl::StartsWith(name, prefix); }),
      names.end());
  return names;
}

absl::Status SnapshotDirectories::RemoveLeftovers() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesWithPrefix(kRemovingPrefix));
  for (const std::string& name : names) remover_.Add(absl::StrCat(root_, "/", name));
  return absl::OkStatus();
}

absl::Status SnapshotDirectories::RemoveUnplaced() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesWithPrefix(kNewPrefix));
  for (const std::string& name : names) remover_.Add(absl::StrCat(root_, "/", name));
  return RemoveUnfinishedFiles(root_);  // the marker
}

bool SnapshotDirectories::Marked() const {
  return ::faccessat(root_fd_.get(), kMarker, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

absl::Status SnapshotDirectories::Mark() {
  return Marked() ? absl::OkStatus() : WriteFileAtomically(absl::StrCat(root_, "/", kMarker), "");
}

absl::StatusOr<std::vector<int64_t>> SnapshotDirectories::Ids() const {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesWithPrefix(""));
  std::vector<int64_t> ids;
  for (const std::string& name : names) {
    int64_t id = 0;
    // "007" or "+7" is no name of ours.
    if (absl::SimpleAtoi(name, &id) && absl::StrCat(id) == name) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace stowage
