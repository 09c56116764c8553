#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "plugin/cli/progress_model.h"

namespace stowage {

// The lines that show a model on a terminal of `columns`: what is done and, while there is one, the
// last line of a builder's log. None is wider than columns. color: with SGR sequences, which take
// no columns.
std::vector<std::string> ProgressLines(const ProgressModel& model, size_t columns, bool color,
                                       absl::Time now);

// Bytes that replace the `shown` lines above the cursor by `lines`. The cursor is hidden within
// them only, and stands below the lines at the end: whatever ends the program, the terminal is left
// usable.
std::string RepaintSequence(size_t shown, const std::vector<std::string>& lines);

// Progress for a log file: a line when a phase begins, and while it lasts at most one per interval,
// and only when more is done than the line before said. Not thread-safe.
class PlainProgress {
 public:
  // The line to print after the model took an event in, without its end; nothing when it is not
  // time.
  std::optional<std::string> NextLine(const ProgressModel& model, absl::Time now);

 private:
  std::optional<v1::Progress::Phase> phase_;
  uint64_t done_ = 0;
  absl::Time printed_ = absl::InfinitePast();
};

}  // namespace stowage
