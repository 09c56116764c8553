#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace stowage {

// The service a process belongs to: its control groups (cgroups(7), /proc/PID/cgroup), which a
// containerd keeps through restarts and upgrades. "" if the process cannot be seen.
std::string ServiceOf(pid_t process);

struct SocketOwnerOptions {
  std::string record_path;  // where the owner's service is remembered over our own restarts
  // How long after its end an owner is waited for before a process of another service takes its
  // place.
  absl::Duration patience = absl::Minutes(1);
  std::function<std::string(pid_t)> service_of = ServiceOf;
};

// The one process that a snapshotter socket serves: the first that is admitted, until it ends, and
// then the next of the same service.
//
// containerd's garbage collection removes every snapshot of a snapshotter that its own metadata
// does not know, so two containerds on one socket would take each other's; one that shares the
// socket by mistake must not get it while the other restarts, or we do. Thread-safe.
class SocketOwner {
 public:
  explicit SocketOwner(SocketOwnerOptions options);

  // Lets the owner in; without one that is alive, `process` may become it. process: as SO_PEERCRED
  // tells it; 0, a process of a PID namespace that cannot be seen from here, passes.
  // Errors: FailedPrecondition naming both processes and what to do.
  absl::Status Admit(pid_t process);

 private:
  absl::Status WaitForOwner(pid_t process, const std::string& service)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SocketOwnerOptions options_;
  absl::Mutex mutex_;
  pid_t owner_ ABSL_GUARDED_BY(mutex_) = 0;
  UniqueFd owner_pidfd_ ABSL_GUARDED_BY(mutex_);  // readable when the owner has ended
  std::string owner_service_ ABSL_GUARDED_BY(mutex_);
  // When another service asked for the first time since the owner is away.
  std::optional<absl::Time> wanted_since_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
