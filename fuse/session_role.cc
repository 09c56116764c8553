#include "fuse/session_role.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/monotonic_clock.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

struct flock LockOf(SessionRole role) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(role);
  lock.l_len = 1;
  return lock;
}

// 0: nobody else.
absl::StatusOr<pid_t> HolderOf(int session_fd, SessionRole role) {
  struct flock lock = LockOf(role);
  if (::fcntl(session_fd, F_GETLK, &lock) != 0)
    return absl::ErrnoToStatus(errno, "ask who serves the saved session");
  return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

}  // namespace

absl::StatusOr<bool> TakeRole(int session_fd, SessionRole role) {
  const struct flock lock = LockOf(role);
  if (::fcntl(session_fd, F_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return absl::ErrnoToStatus(errno, "lock the saved session");
}

absl::Status AwaitRole(int session_fd, SessionRole role, absl::Duration patience) {
  const absl::Duration deadline = MonotonicTime() + patience;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool taken, TakeRole(session_fd, role));
    if (taken) return absl::OkStatus();
    if (MonotonicTime() >= deadline) {
      STOWAGE_ASSIGN_OR_RETURN(const pid_t holder, HolderOf(session_fd, role));
      return absl::DeadlineExceededError(
          absl::StrCat("process ", holder, " does not give up serving this mount"));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::StatusOr<std::optional<WatchedProcess>> FindRole(int session_fd, SessionRole role) {
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const pid_t pid, HolderOf(session_fd, role));
    if (pid <= 0) return std::nullopt;
    absl::StatusOr<UniqueFd> pidfd = OpenPidfd(pid);
    if (!pidfd.ok() && !absl::IsNotFound(pidfd.status())) return pidfd.status();
    // The number may have been another process's by then.
    STOWAGE_ASSIGN_OR_RETURN(const pid_t still, HolderOf(session_fd, role));
    if (pidfd.ok() && still == pid) return WatchedProcess{pid, *std::move(pidfd)};
  }
}

}  // namespace stowage
