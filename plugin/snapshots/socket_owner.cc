#include "plugin/snapshots/socket_owner.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

bool HasEnded(const UniqueFd& pidfd) {
  pollfd polled = {pidfd.get(), POLLIN, 0};
  return !pidfd || ::poll(&polled, 1, 0) > 0;
}

}  // namespace

absl::Status SocketOwner::Admit(pid_t process) {
  if (process == 0) return absl::OkStatus();
  const absl::MutexLock lock(&mutex_);
  if (process == owner_) return absl::OkStatus();
  if (!HasEnded(owner_pidfd_))
    return absl::FailedPreconditionError(absl::StrCat(
        "process ", process, " shares this snapshotter socket with process ", owner_,
        ", which uses it: two containerds would remove each other's snapshots; give each a "
        "stowaged of its own (paths.state, paths.gc_roots, snapshotter.socket, fuse.mountpoint)"));
  owner_ = process;
  // Invalid for a process that has ended meanwhile: the next one follows it.
  owner_pidfd_.Reset(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  return absl::OkStatus();
}

}  // namespace stowage
