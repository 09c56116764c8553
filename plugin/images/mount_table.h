#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/mount_info.h"
#include "base/unique_fd.h"

namespace stowage {

// The mounts of this process's mount namespace. Read again only after the kernel has said that they
// changed (poll(2) on mountinfo), so asking is cheap. Never touches the mounts themselves.
// Thread-safe.
class MountTable {
 public:
  static absl::StatusOr<MountTable> Open(const std::string& path = "/proc/self/mountinfo");
  MountTable(MountTable&& other) noexcept;

  absl::StatusOr<bool> IsMountedAs(absl::string_view mountpoint,
                                   absl::string_view file_system_type);
  absl::StatusOr<std::vector<MountInfo>> Entries();

 private:
  explicit MountTable(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::Status Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  UniqueFd fd_ ABSL_GUARDED_BY(mutex_);
  bool read_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<MountInfo> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
