#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace stowage {

// Activities and results by Nix's numbers (libutil/logging.hh); those that nothing here uses are
// left out and come as the bare number.
namespace nix_activity {
inline constexpr int64_t kCopyPath = 100;
inline constexpr int64_t kCopyPaths = 103;
inline constexpr int64_t kBuilds = 104;
inline constexpr int64_t kBuild = 105;
inline constexpr int64_t kSubstitute = 108;
}  // namespace nix_activity
namespace nix_result {
inline constexpr int64_t kBuildLogLine = 101;
inline constexpr int64_t kProgress = 105;
inline constexpr int64_t kSetExpected = 106;
}  // namespace nix_result

// One event of `--log-format internal-json`.
struct NixLogEvent {
  enum class Action { kMessage, kStart, kStop, kResult };
  using Field = std::variant<int64_t, std::string>;

  Action action = Action::kMessage;
  uint64_t id = 0;    // of the activity; 0 for kMessage
  int64_t level = 0;  // kMessage, kStart: 0 is an error
  int64_t type = 0;   // kStart: nix_activity; kResult: nix_result
  std::string text;   // kStart: text; kMessage: raw_msg if there is one, else msg; no colours
  std::vector<Field> fields;  // kStart, kResult

  // The field as a number, or 0; as a text, or "".
  int64_t Number(size_t index) const;
  std::string Text(size_t index) const;
};

// The event of a line "@nix {...}"; nothing for any other line and for actions unknown here. Never
// fails, whatever the bytes: fields of a wrong type are taken as missing.
std::optional<NixLogEvent> ParseNixLogLine(absl::string_view line);

// `text` without ANSI escape sequences and control characters other than newline and tab.
std::string PlainText(absl::string_view text);

// Cuts a stream into lines, without their ends. A line longer than max_line_bytes is cut off there.
class LineSplitter {
 public:
  explicit LineSplitter(std::function<void(absl::string_view line)> on_line,
                        size_t max_line_bytes = size_t{1} << 20)
      : on_line_(std::move(on_line)), max_line_bytes_(max_line_bytes) {}

  void Append(absl::string_view bytes);
  // Gives out what is left as the last line, if anything is.
  void Finish();

 private:
  std::function<void(absl::string_view line)> on_line_;
  const size_t max_line_bytes_;
  std::string partial_;
};

}  // namespace stowage
