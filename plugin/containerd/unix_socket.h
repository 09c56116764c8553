#pragma once

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

}  // namespace stowage
