#include "plugin/cli/progress_display.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "plugin/cli/human_units.h"
#include "plugin/cli/terminal_text.h"

namespace stowage {
namespace {

constexpr char kBold[] = "\x1b[1m";
constexpr char kDim[] = "\x1b[2m";
constexpr char kReset[] = "\x1b[0m";

// Builders print thousands of lines a second; people read one or two.
constexpr absl::Duration kPlainInterval = absl::Seconds(2);

std::string Styled(absl::string_view style, absl::string_view text, bool color) {
  if (!color || text.empty()) return std::string(text);
  return absl::StrCat(style, text, kReset);
}

// "2 of 7", for bytes with the rate.
std::string CountWithRate(const ProgressModel& model, absl::Time now) {
  std::string count = ProgressCount(model);
  if (model.phase() != v1::Progress::HASH || count.empty()) return count;
  const double rate = model.Rate(now);
  if (rate > 0) absl::StrAppend(&count, "  ", HumanBytes(static_cast<uint64_t>(rate)), "/s");
  return count;
}

}  // namespace

std::vector<std::string> ProgressLines(const ProgressModel& model, size_t columns, bool color,
                                       absl::Time now) {
  // The last column stays free: some terminals wrap after writing it.
  const size_t usable = columns > 0 ? columns - 1 : 0;
  const std::string phase = FitToWidth(PhaseName(model.phase()), usable);
  std::string tail = absl::StrCat("  ", HumanDuration(model.Elapsed(now)));
  if (const std::string count = CountWithRate(model, now); !count.empty())
    tail = absl::StrCat("  ", count, tail);

  size_t left = usable - DisplayWidth(phase);
  tail = FitToWidth(tail, left);
  left -= DisplayWidth(tail);
  std::string message;
  // A message cut to a few letters says nothing.
  constexpr size_t kShortestMessage = 8;
  if (!model.message().empty() && left >= kShortestMessage + 2)
    message = absl::StrCat("  ", FitToWidth(model.message(), left - 2));

  std::vector<std::string> lines = {absl::StrCat(Styled(kBold, phase, color), message, tail)};
  constexpr size_t kIndent = 2;
  if (!model.log_line().empty() && usable > kIndent) {
    lines.push_back(
        absl::StrCat("  ", Styled(kDim, FitToWidth(model.log_line(), usable - kIndent), color)));
  }
  return lines;
}

std::string RepaintSequence(size_t shown, const std::vector<std::string>& lines) {
  if (shown == 0 && lines.empty()) return "";
  std::string bytes = "\x1b[?25l\r";
  if (shown > 0) absl::StrAppend(&bytes, "\x1b[", shown, "A");
  bytes += "\x1b[J";
  for (const std::string& line : lines) absl::StrAppend(&bytes, line, "\n");
  return bytes + "\x1b[?25h";
}

std::optional<std::string> PlainProgress::NextLine(const ProgressModel& model, absl::Time now) {
  const bool new_phase = phase_ != model.phase();
  const bool moved = model.done() > done_ && now - printed_ >= kPlainInterval;
  if (!new_phase && !moved) return std::nullopt;
  phase_ = model.phase();
  done_ = model.done();
  printed_ = now;
  std::string line = PhaseName(model.phase());
  if (const std::string count = ProgressCount(model); !count.empty())
    absl::StrAppend(&line, " ", count);
  if (!model.message().empty()) absl::StrAppend(&line, ": ", model.message());
  return line;
}

}  // namespace stowage
