#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The path in a socket address: "/run/x.sock" or "unix:///run/x.sock".
// Errors: InvalidArgument for another scheme, a relative path, or one longer than the kernel takes
// (107 bytes).
absl::StatusOr<std::string> UnixSocketPath(absl::string_view address);

// Connects and closes again, which tells why a server cannot be reached more exactly than gRPC
// does. Errors: NotFound (no such file), FailedPrecondition (not a socket), Unavailable (nobody
// listens), PermissionDenied; the message names the path and the system's word.
absl::Status ProbeUnixSocket(const std::string& path);

// The same, and which process listens, as it was when it began to. Its pid is 0 where it cannot be
// told: a full backlog, another PID namespace.
absl::StatusOr<ucred> PeerOfUnixSocket(const std::string& path);

}  // namespace stowage
