#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace stowage {

struct ByteRange {
  enum class Kind {
    kWhole,          // no range, a unit other than bytes, or several ranges: everything, as 200
    kPart,           // one range, as 206
    kUnsatisfiable,  // beyond the end or not to be understood, as 416
  };
  Kind kind = Kind::kWhole;
  uint64_t begin = 0;  // of a part: [begin, end)
  uint64_t end = 0;
};

// What a Range header means for a body of `size_bytes` (RFC 9110, 14.1). "": no header. Pure.
ByteRange ResolveRange(absl::string_view header, uint64_t size_bytes);

}  // namespace stowage
