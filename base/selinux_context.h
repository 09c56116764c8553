#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace stowage {

// Whether a text has the form of a SELinux security context, USER:ROLE:TYPE[:LEVEL], and can stand
// in quotes among mount options. Whether a policy knows it, the kernel says. Errors:
// InvalidArgument.
absl::Status CheckSelinuxContext(absl::string_view context);

}  // namespace stowage
