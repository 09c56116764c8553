#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace stowage {

// Tells the service manager something, as sd_notify(3) does: one datagram with `state`, as
// "READY=1".
//
// socket_path: $NOTIFY_SOCKET, "@" for the abstract name space; "" does nothing.
// Errors: InvalidArgument for a path that is too long, else the errno's.
absl::Status NotifyServiceManager(const std::string& socket_path, absl::string_view state);

}  // namespace stowage
