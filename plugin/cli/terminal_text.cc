#include "plugin/cli/terminal_text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";
constexpr char kEllipsis[] = "\xE2\x80\xA6";

struct CodePoint {
  char32_t value = 0;
  size_t length = 1;  // bytes
  bool valid = false;
};

// The code point at the start of a non-empty text; over-long forms and surrogates are not valid
// (Unicode 15, table 3-7).
CodePoint FirstCodePoint(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return {};
  char32_t value = first & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  const bool over_long = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (over_long || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, length, true};
}

// Bytes of the escape sequence at the start of `text`, which starts with ESC (ECMA-48,
// section 5.4).
size_t EscapeSequenceLength(absl::string_view text) {
  if (text.size() < 2) return text.size();
  const char kind = text[1];
  if (kind == '[') {
    size_t end = 2;
    while (end < text.size() && text[end] >= 0x20 && text[end] <= 0x3F) ++end;
    return std::min(end + 1, text.size());
  }
  const bool has_string = kind == ']' || kind == 'P' || kind == '^' || kind == '_' || kind == 'X';
  if (has_string) {
    for (size_t end = 2; end < text.size(); ++end) {
      if (text[end] == '\a') return end + 1;
      if (text[end] == '\x1b') return std::min(end + 2, text.size());
      if (text[end] == '\n') return end;  // never closed
    }
    return text.size();
  }
  size_t end = 1;
  while (end < text.size() && text[end] >= 0x20 && text[end] <= 0x2F) ++end;
  return std::min(end + 1, text.size());
}

bool IsInvisibleControl(char32_t value) {
  if (value < 0x20 || (value >= 0x7F && value < 0xA0)) return true;
  // Direction marks, embeddings and isolates: they make text read as other than it is.
  return value == 0x200E || value == 0x200F || (value >= 0x2028 && value <= 0x202E) ||
         (value >= 0x2066 && value <= 0x2069) || value == 0xFEFF;
}

struct Range {
  char32_t first;
  char32_t last;
};

// The blocks that matter in practice, from Unicode's EastAsianWidth.txt (W and F).
constexpr Range kWide[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},  {0x4E00, 0x9FFF},
    {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Range kCombining[] = {{0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
                                {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F},
                                {0xFE20, 0xFE2F}};

template <size_t N>
bool Contains(const Range (&ranges)[N], char32_t value) {
  return std::any_of(std::begin(ranges), std::end(ranges), [&](const Range& range) {
    return value >= range.first && value <= range.last;
  });
}

size_t ColumnsOf(char32_t value) {
  if (Contains(kCombining, value)) return 0;
  return Contains(kWide, value) ? 2 : 1;
}

}  // namespace

std::string PrintableText(absl::string_view text) {
  std::string printable;
  while (!text.empty()) {
    if (text[0] == '\x1b') {
      text.remove_prefix(EscapeSequenceLength(text));
      continue;
    }
    const CodePoint point = FirstCodePoint(text);
    if (!point.valid) {
      printable += kReplacement;
    } else if (point.value == '\n') {
      printable += '\n';
    } else if (point.value == '\t') {
      printable += ' ';
    } else if (!IsInvisibleControl(point.value)) {
      absl::StrAppend(&printable, text.substr(0, point.length));
    }
    text.remove_prefix(point.length);
  }
  return printable;
}

std::string PrintableLine(absl::string_view text) {
  std::string line = PrintableText(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return std::string(absl::StripAsciiWhitespace(line));
}

size_t DisplayWidth(absl::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    columns += point.valid ? ColumnsOf(point.value) : 1;
    text.remove_prefix(point.length);
  }
  return columns;
}

std::string FitToWidth(absl::string_view text, size_t columns) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  absl::string_view rest = text;
  size_t used = 0;
  while (!rest.empty()) {
    const CodePoint point = FirstCodePoint(rest);
    const size_t width = point.valid ? ColumnsOf(point.value) : 1;
    if (used + width > columns - 1) break;
    used += width;
    rest.remove_prefix(point.length);
  }
  return absl::StrCat(text.substr(0, text.size() - rest.size()), kEllipsis);
}

}  // namespace stowage
