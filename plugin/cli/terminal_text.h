#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace stowage {

// `text` from outside, safe to write to a terminal: escape sequences, control characters and
// direction overrides are gone, what is no UTF-8 is U+FFFD, a tab is a space. A line feed stays.
std::string PrintableText(absl::string_view text);

// As PrintableText, on one line: a line feed is a space, spaces at the ends are gone.
std::string PrintableLine(absl::string_view text);

// Columns that printable text takes on a terminal: 2 for East Asian wide characters, 0 for
// combining ones.
size_t DisplayWidth(absl::string_view text);

// Printable text cut to at most `columns`, the cut shown by an ellipsis.
std::string FitToWidth(absl::string_view text, size_t columns);

}  // namespace stowage
