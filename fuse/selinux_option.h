#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The mount option that gives every file of a mount this SELinux context, with the comma before it;
// "" for "". Errors: InvalidArgument for what is no context; FailedPrecondition where the kernel
// runs without SELinux, and in a user namespace.
absl::StatusOr<std::string> SelinuxMountOption(absl::string_view context);

}  // namespace stowage
