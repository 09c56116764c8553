#pragma once

#include <sys/types.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"

namespace stowage {

// The one process that a snapshotter socket serves: the first that is admitted, until it ends.
//
// containerd's garbage collection removes every snapshot of a snapshotter that its own metadata
// does not know, so two containerds on one socket would take each other's. Thread-safe.
class SocketOwner {
 public:
  // Lets the owner in; without one that is alive, `process` becomes it. process: as SO_PEERCRED
  // tells it; 0, a process of a PID namespace that cannot be seen from here, passes.
  // Errors: FailedPrecondition naming both processes and what to do.
  absl::Status Admit(pid_t process);

 private:
  absl::Mutex mutex_;
  pid_t owner_ ABSL_GUARDED_BY(mutex_) = 0;
  UniqueFd owner_pidfd_ ABSL_GUARDED_BY(mutex_);  // readable when the owner has ended
};

}  // namespace stowage
