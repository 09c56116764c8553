#include "plugin/cli/progress_model.h"

#include "absl/strings/str_cat.h"
#include "plugin/cli/human_units.h"
#include "plugin/cli/terminal_text.h"

namespace stowage {
namespace {

// A rate over less than this says more about scheduling than about work.
constexpr absl::Duration kRateWindow = absl::Milliseconds(200);

}  // namespace

void ProgressModel::Update(const v1::Progress& progress, absl::Time now) {
  if (progress.phase() != phase_) {
    phase_ = progress.phase();
    phase_start_ = now;
    phase_start_done_ = progress.done();
    message_.clear();
    log_line_.clear();
  }
  done_ = progress.done();
  total_ = progress.total();
  if (std::string text = PrintableLine(progress.message()); !text.empty())
    message_ = std::move(text);
  if (std::string text = PrintableLine(progress.log_line()); !text.empty())
    log_line_ = std::move(text);
}

double ProgressModel::Rate(absl::Time now) const {
  const absl::Duration elapsed = now - phase_start_;
  if (elapsed < kRateWindow || done_ <= phase_start_done_) return 0;
  return static_cast<double>(done_ - phase_start_done_) / absl::ToDoubleSeconds(elapsed);
}

std::string PhaseName(v1::Progress::Phase phase) {
  switch (phase) {
    case v1::Progress::PHASE_UNSPECIFIED:
      return "waiting";
    case v1::Progress::SOURCE:
      return "fetching source";
    case v1::Progress::EVALUATE:
      return "evaluating";
    case v1::Progress::REALISE:
      return "building";
    case v1::Progress::CLOSURE:
      return "reading closure";
    case v1::Progress::HASH:
      return "hashing layers";
    case v1::Progress::RECORD:
      return "recording";
    default:
      return "working";
  }
}

std::string ProgressCount(const ProgressModel& model) {
  const bool bytes = model.phase() == v1::Progress::HASH;
  const auto text = [&](uint64_t value) { return bytes ? HumanBytes(value) : absl::StrCat(value); };
  if (model.total() > 0) return absl::StrCat(text(model.done()), " of ", text(model.total()));
  return model.done() > 0 ? text(model.done()) : "";
}

}  // namespace stowage
