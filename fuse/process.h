#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/unique_fd.h"

namespace stowage {

struct WatchedProcess {
  pid_t pid = -1;
  UniqueFd pidfd;  // readable when every thread of it is gone
};

// This very program, also when its file has been replaced.
inline constexpr char kThisProgram[] = "/proc/self/exe";

// Starts a program of ours as a child.
//
// arguments: without argv[0]. inherited_fds: the descriptors that it gets, under the same numbers;
// all of ours are close-on-exec otherwise. The child's signal mask is empty. It does not die with
// its parent. Safe with several threads. Errors: the errno's; nothing runs then.
absl::StatusOr<WatchedProcess> StartProgram(const std::string& program,
                                            std::vector<std::string> arguments,
                                            absl::Span<const int> inherited_fds);

// Becomes a program of ours, as execve(2). Returns only the error, and nothing has changed then.
absl::Status BecomeProgram(const std::string& program, std::vector<std::string> arguments,
                           absl::Span<const int> inherited_fds);

// Waits until a process has ended; false: it has not in time.
bool AwaitEnd(const WatchedProcess& process, absl::Duration patience);

// Owner of a descriptor that this process was started with; close-on-exec from now on.
UniqueFd TakeInherited(int fd);

// pidfd_open(2). Errors: NotFound when there is no such process.
absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid);

// pidfd_send_signal(2); a process that is gone is no error.
void SignalPidfd(int pidfd, int signal);

}  // namespace stowage
