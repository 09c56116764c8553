#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The same error with `context` and ": " before its message; an OK status is returned as it is.
//
// context: what was tried, on which object, as in "read /var/lib/stowage/stowage.db".
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace stowage
