#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace stowage {

// The difference of two texts as `diff -u` prints it, with three lines of context and both names in
// its head; "" for equal texts. Pure. Memory and time: product of the numbers of lines between the
// first and the last difference.
std::string UnifiedDiff(absl::string_view old_text, absl::string_view new_text,
                        absl::string_view old_name, absl::string_view new_name);

}  // namespace stowage
