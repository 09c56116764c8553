#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"

namespace stowage {

// Counts what is taken out of a directory, by inotify(7): entries that are removed or renamed, and
// the directory itself. Sees what is done through any mount of this machine's, not what another
// machine does to a network file system. Thread-safe.
class RemovalWatch {
 public:
  // Errors: NotFound without the directory; ResourceExhausted when the user has no inotify instance
  // or watch left (fs.inotify.max_user_instances, max_user_watches).
  static absl::StatusOr<RemovalWatch> Open(const std::string& directory);
  // Only while nobody uses `other`.
  RemovalWatch(RemovalWatch&& other) noexcept;

  // Grows with every removal: two equal results mean that nothing was taken out between the calls.
  // One system call, which does not wait.
  absl::StatusOr<uint64_t> Count();

 private:
  explicit RemovalWatch(UniqueFd inotify) : inotify_(std::move(inotify)) {}

  UniqueFd inotify_;
  absl::Mutex mutex_;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // the directory is gone, nothing more is reported
};

}  // namespace stowage
