#include "plugin/registry/range_header.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace stowage {
namespace {

// Digits only; a value too large for 64 bits is the largest, which is beyond every body.
std::optional<uint64_t> ParsePosition(absl::string_view digits) {
  if (digits.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : digits) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
    constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    value = value > (kLargest - digit) / 10 ? kLargest : value * 10 + digit;
  }
  return value;
}

}  // namespace

ByteRange ResolveRange(absl::string_view header, uint64_t size_bytes) {
  using Kind = ByteRange::Kind;
  const size_t equals = header.find('=');
  // RFC 9110, 14.2: a unit that is not understood is ignored.
  if (header.empty() ||
      (equals != absl::string_view::npos &&
       !absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(header.substr(0, equals)), "bytes")))
    return {};
  if (equals == absl::string_view::npos) return {Kind::kUnsatisfiable};
  const absl::string_view range = absl::StripAsciiWhitespace(header.substr(equals + 1));
  if (range.find(',') != absl::string_view::npos) return {};
  const size_t dash = range.find('-');
  if (dash == absl::string_view::npos) return {Kind::kUnsatisfiable};
  const absl::string_view first_text = range.substr(0, dash);
  const std::optional<uint64_t> first = ParsePosition(first_text);
  const std::optional<uint64_t> last = ParsePosition(range.substr(dash + 1));
  if (first_text.empty()) {
    if (!last || *last == 0 || size_bytes == 0) return {Kind::kUnsatisfiable};
    return {Kind::kPart, size_bytes - std::min(*last, size_bytes), size_bytes};
  }
  const bool open_end = dash + 1 == range.size();
  if (!first || (!last && !open_end) || *first >= size_bytes) return {Kind::kUnsatisfiable};
  if (open_end) return {Kind::kPart, *first, size_bytes};
  if (*last < *first) return {Kind::kUnsatisfiable};
  return {Kind::kPart, *first, std::min(*last, size_bytes - 1) + 1};
}

}  // namespace stowage
