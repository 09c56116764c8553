#include "plugin/cli/progress_reporter.h"

#include <utility>

#include "absl/time/clock.h"

namespace stowage {
namespace {

// Often enough to look alive, seldom enough for a slow line.
constexpr absl::Duration kRepaintInterval = absl::Milliseconds(80);

}  // namespace

ProgressReporter::ProgressReporter(ProgressReporterOptions options, std::ostream& out)
    : options_(std::move(options)), out_(out), model_(absl::Now()) {}

ProgressReporter::~ProgressReporter() {
  if (lines_shown_ > 0) out_ << RepaintSequence(lines_shown_, {}) << std::flush;
}

void ProgressReporter::OnProgress(const v1::Progress& progress) {
  const absl::Time now = absl::Now();
  model_.Update(progress, now);
  if (options_.style == ProgressStyle::kPlain) {
    if (const auto line = plain_.NextLine(model_, now)) out_ << *line << "\n" << std::flush;
  } else {
    OnTick();
  }
}

void ProgressReporter::OnTick() {
  if (options_.style != ProgressStyle::kRepaint) return;
  if (absl::Now() - painted_ >= kRepaintInterval) Repaint();
}

void ProgressReporter::Repaint() {
  painted_ = absl::Now();
  const auto lines = ProgressLines(model_, options_.columns(), options_.color, painted_);
  out_ << RepaintSequence(lines_shown_, lines) << std::flush;
  lines_shown_ = lines.size();
}

}  // namespace stowage
