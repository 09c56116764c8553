#include "base/json_bounds.h"

#include "absl/strings/str_cat.h"

namespace stowage {

absl::Status CheckJsonBounds(absl::string_view text, size_t max_depth, size_t max_values) {
  size_t depth = 0;
  size_t values = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
      continue;
    }
    switch (c) {
      case '"':
        in_string = true;
        break;
      case '[':
      case '{':
        ++values;  // the first of those in it, if there is one
        if (++depth > max_depth)
          return absl::InvalidArgumentError(
              absl::StrCat("it has more than ", max_depth, " levels of arrays and objects"));
        break;
      case ']':
      case '}':
        if (depth > 0) --depth;
        break;
      case ',':
        ++values;
        break;
      default:
        break;
    }
    if (values > max_values)
      return absl::InvalidArgumentError(absl::StrCat("it has more than ", max_values, " values"));
  }
  return absl::OkStatus();
}

}  // namespace stowage
