#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nix/internal_json.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

constexpr size_t kMaxLineBytes = 100;

bool IsPlain(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f);
  });
}

void CheckEvent(absl::string_view line) {
  const auto event = ParseNixLogLine(line);
  if (!event) return;
  STOWAGE_FUZZ_CHECK(IsPlain(event->text));
  for (size_t i = 0; i <= event->fields.size(); ++i) {
    STOWAGE_FUZZ_CHECK(IsPlain(event->Text(i)));
    STOWAGE_FUZZ_CHECK(event->Number(i) == 0 || event->Text(i).empty());
  }
}

std::vector<std::string> Lines(absl::string_view bytes, size_t piece_bytes) {
  std::vector<std::string> lines;
  LineSplitter splitter([&](absl::string_view line) { lines.emplace_back(line); }, kMaxLineBytes);
  for (size_t i = 0; i < bytes.size(); i += piece_bytes)
    splitter.Append(bytes.substr(i, piece_bytes));
  splitter.Finish();
  return lines;
}

void FuzzInternalJson(absl::string_view bytes) {
  CheckEvent(bytes);
  CheckEvent(absl::StrCat("@nix ", bytes));
  const std::string plain = PlainText(bytes);
  STOWAGE_FUZZ_CHECK(IsPlain(plain) && PlainText(plain) == plain);

  const std::vector<std::string> lines = Lines(bytes, bytes.size() + 1);
  STOWAGE_FUZZ_CHECK(lines == Lines(bytes, 1) && lines == Lines(bytes, 7));
  for (const std::string& line : lines)
    STOWAGE_FUZZ_CHECK(line.size() <= kMaxLineBytes && line.find('\n') == std::string::npos);
}

STOWAGE_FUZZ_TARGET(internal_json, FuzzInternalJson);

}  // namespace
}  // namespace stowage
