#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage {

// Tells the service manager something, as sd_notify(3) does: one datagram with `state`, as
// "READY=1".
//
// socket_path: $NOTIFY_SOCKET, "@" for the abstract name space; "" does nothing.
// Errors: InvalidArgument for a path that is too long, else the errno's.
absl::Status NotifyServiceManager(const std::string& socket_path, absl::string_view state);

// Gives it a copy of a descriptor that outlives this process (sd_pid_notify_with_fds(3), FDSTORE=1;
// the service needs FileDescriptorStoreMax=). The next start gets it back under its name. It drops
// a descriptor by itself once poll(2) says POLLERR or POLLHUP.
//
// name: no ':' and no control character, 255 bytes at most. Errors: as above.
absl::Status StoreDescriptor(const std::string& socket_path, absl::string_view name, int fd);

// Drops the descriptors of that name. Errors: as above.
absl::Status ForgetDescriptors(const std::string& socket_path, absl::string_view name);

// A descriptor that the service manager passed to this process.
struct PassedDescriptor {
  std::string name;
  UniqueFd fd;
};

// Takes what it passed (sd_listen_fds_with_names(3)), close-on-exec from now on.
//
// listen_pid, listen_fds, listen_fdnames: those variables, "" where not set. The caller removes
// them from the environment, since they are not meant for its children. Call once. Nothing is
// passed, and the result is empty, if listen_pid is another process or a value is malformed.
std::vector<PassedDescriptor> TakePassedDescriptors(absl::string_view listen_pid,
                                                    absl::string_view listen_fds,
                                                    absl::string_view listen_fdnames);

}  // namespace stowage
