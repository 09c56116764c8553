#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "plugin/cli/progress_display.h"
#include "plugin/cli/progress_model.h"

namespace stowage {

enum class ProgressStyle { kNone, kPlain, kRepaint };

struct ProgressReporterOptions {
  ProgressStyle style = ProgressStyle::kNone;
  bool color = false;
  // Asked before every repaint, as windows change their size.
  std::function<size_t()> columns = [] { return size_t{80}; };
};

// Shows the progress of one Resolve on a stream. Removes what it repainted when it goes. Not
// thread-safe.
class ProgressReporter {
 public:
  // out: outlives the reporter; nothing else is written to it meanwhile.
  ProgressReporter(ProgressReporterOptions options, std::ostream& out);
  ~ProgressReporter();
  ProgressReporter(const ProgressReporter&) = delete;
  ProgressReporter& operator=(const ProgressReporter&) = delete;

  void OnProgress(const v1::Progress& progress);
  // To be called a few times a second: repaints the elapsed time.
  void OnTick();

 private:
  void Repaint();

  ProgressReporterOptions options_;
  std::ostream& out_;
  ProgressModel model_;
  PlainProgress plain_;
  size_t lines_shown_ = 0;
  absl::Time painted_ = absl::InfinitePast();
};

}  // namespace stowage
