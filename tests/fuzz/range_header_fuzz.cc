#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "plugin/registry/range_header.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void CheckRange(absl::string_view header, uint64_t size_bytes) {
  const ByteRange range = ResolveRange(header, size_bytes);
  if (range.kind != ByteRange::Kind::kPart) {
    STOWAGE_FUZZ_CHECK(range.begin == 0 && range.end == 0);
    return;
  }
  STOWAGE_FUZZ_CHECK(range.begin < range.end && range.end <= size_bytes);
  const ByteRange again =
      ResolveRange(absl::StrCat("bytes=", range.begin, "-", range.end - 1), size_bytes);
  STOWAGE_FUZZ_CHECK(again.kind == ByteRange::Kind::kPart);
  STOWAGE_FUZZ_CHECK(again.begin == range.begin && again.end == range.end);
}

void FuzzRangeHeader(absl::string_view bytes) {
  const std::string with_unit = absl::StrCat("bytes=", bytes);
  for (const uint64_t size_bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{1000}, std::numeric_limits<uint64_t>::max()}) {
    CheckRange(bytes, size_bytes);
    CheckRange(with_unit, size_bytes);
  }
}

STOWAGE_FUZZ_TARGET(range_header, FuzzRangeHeader);

}  // namespace
}  // namespace stowage
