#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace stowage {

// Looks at a text from outside before it is parsed as JSON, as what is parsed can take a hundred
// times its length. Whether it is JSON is not looked at.
//
// max_depth: of arrays and objects in each other. max_values: of any kind, names in objects left
// out. Errors: InvalidArgument beyond one of them. Pure; no allocation unless there is an error.
absl::Status CheckJsonBounds(absl::string_view text, size_t max_depth, size_t max_values);

}  // namespace stowage
