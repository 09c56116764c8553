#pragma once

#include <string>

#include "absl/status/status.h"

namespace stowage {

// Ends a FUSE connection at once: whoever waits for an answer gets ECONNABORTED, whoever asks later
// ENOTCONN. Needs no mounted fusectl; in a user namespace, where it cannot do without, it leaves the
// connection to its last descriptor when there is none.
//
// device: "0:53", as in mountinfo; its minor number names the connection.
// Errors: NotFound when there is no such connection any more; else the errno's.
absl::Status AbortConnection(const std::string& device);

}  // namespace stowage
