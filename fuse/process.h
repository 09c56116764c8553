#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/unique_fd.h"

namespace stowage {

struct ChildProcess {
  pid_t pid = -1;
  UniqueFd pidfd;  // readable when every thread of it is gone
};

// Starts this very program again (/proc/self/exe), which survives its file being replaced.
//
// arguments: without argv[0]. inherited_fds: the descriptors that it gets, under the same numbers;
// all of ours are close-on-exec otherwise. The child's signal mask is empty. It does not die with
// its parent. Safe with several threads. Errors: the errno's.
absl::StatusOr<ChildProcess> StartSelf(std::vector<std::string> arguments,
                                       absl::Span<const int> inherited_fds);

// Owner of a descriptor that this process was started with; close-on-exec from now on.
UniqueFd TakeInherited(int fd);

// pidfd_open(2). Errors: NotFound when there is no such process.
absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid);

// pidfd_send_signal(2); a process that is gone is no error.
void SignalPidfd(int pidfd, int signal);

}  // namespace stowage
