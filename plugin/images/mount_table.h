#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"

namespace stowage {

// One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), as far as we need it.
struct MountEntry {
  std::string root;  // which directory of the file system is mounted
  std::string mountpoint;
  std::string file_system;
  std::string super_options;
};

// Reads mountinfo text. Lines that are not understood are left out. Octal escapes are decoded in
// the mount point.
std::vector<MountEntry> ParseMountInfo(absl::string_view text);

// True if the last mount at exactly this path is of the file system type.
bool IsMountedAs(const std::vector<MountEntry>& mounts, absl::string_view mountpoint,
                 absl::string_view file_system);

// The mounts of this process's mount namespace. Read again only after the kernel has said that they
// changed (poll(2) on mountinfo), so asking is cheap. Never touches the mounts themselves.
// Thread-safe.
class MountTable {
 public:
  static absl::StatusOr<MountTable> Open(const std::string& path = "/proc/self/mountinfo");
  MountTable(MountTable&& other) noexcept;

  absl::StatusOr<bool> IsMountedAs(absl::string_view mountpoint, absl::string_view file_system);
  absl::StatusOr<std::vector<MountEntry>> Entries();

 private:
  explicit MountTable(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::Status Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  UniqueFd fd_ ABSL_GUARDED_BY(mutex_);
  bool read_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<MountEntry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
