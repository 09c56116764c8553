#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fuse/process.h"

namespace stowage {

// At most one keeper and one worker of a session at a time, and everybody can find them: a role is
// a POSIX record lock on one byte of the session's memfd, which the kernel gives back when its
// process ends. execve(2) keeps it. It also ends when the process closes *any* descriptor of the
// memfd (fcntl_locking(2)), so each process has one only.
enum class SessionRole : uint8_t { kKeeper = 0, kWorker = 1 };

// True: this process has the role now. False: another one has it. Errors: the errno's.
absl::StatusOr<bool> TakeRole(int session_fd, SessionRole role);

// As above, waiting for the present holder to end. Errors: DeadlineExceeded, naming it.
absl::Status AwaitRole(int session_fd, SessionRole role, absl::Duration patience);

// The other process that has the role, if one has. Errors: the errno's.
absl::StatusOr<std::optional<WatchedProcess>> FindRole(int session_fd, SessionRole role);

}  // namespace stowage
