#include "nix/realise_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

constexpr size_t kMaxActivities = 10000;
constexpr size_t kMaxErrors = 100;
constexpr size_t kMaxErrorBytes = 16384;
constexpr size_t kMaxTails = 64;
constexpr size_t kTailLines = 20;
constexpr size_t kMaxLineBytes = 1000;

uint64_t NotNegative(int64_t number) { return number > 0 ? static_cast<uint64_t>(number) : 0; }

// Cut to at most max_bytes, not inside a UTF-8 sequence.
std::string Cut(std::string text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

// "hello-2.10" of "/nix/store/HASH-hello-2.10.drv"; the text itself if it is something else.
std::string NameOf(const std::string& path) {
  const absl::StatusOr<StorePath> parsed = StorePath::Parse(path);
  if (!parsed.ok()) return path;
  return std::string(absl::StripSuffix(parsed->name(), ".drv"));
}

// Nix says this when asked to end; it is no cause.
bool IsInterruption(absl::string_view text) {
  return absl::StrContains(text, "interrupted by the user");
}

}  // namespace

void RealiseLog::AddLine(absl::string_view line) {
  const std::optional<NixLogEvent> event = ParseNixLogLine(line);
  if (!event) {
    std::string plain(absl::StripAsciiWhitespace(PlainText(line)));
    if (absl::StartsWith(plain, "error: ")) AddError(plain.substr(7));
    if (!plain.empty()) last_plain_line_ = Cut(std::move(plain), kMaxLineBytes);
    return;
  }
  switch (event->action) {
    case NixLogEvent::Action::kStart:
      return Start(*event);
    case NixLogEvent::Action::kStop:
      return Stop(event->id);
    case NixLogEvent::Action::kResult:
      return Result(*event);
    case NixLogEvent::Action::kMessage:
      if (event->level == 0) AddError(event->text);
      return;
  }
}

void RealiseLog::Start(const NixLogEvent& event) {
  if (activities_.size() >= kMaxActivities) return;
  activities_[event.id] = Activity{event.type, event.Text(0)};
}

void RealiseLog::Stop(uint64_t id) {
  const auto found = activities_.find(id);
  if (found == activities_.end()) return;
  if (found->second.type == nix_activity::kCopyPath) copied_bytes_ += found->second.done;
  activities_.erase(found);
}

void RealiseLog::Result(const NixLogEvent& event) {
  const auto found = activities_.find(event.id);
  if (found == activities_.end()) return;
  Activity& activity = found->second;
  if (event.type == nix_result::kBuildLogLine) return AddBuilderLine(activity.path, event.Text(0));
  if (event.type != nix_result::kProgress) return;
  activity.done = NotNegative(event.Number(0));
  activity.expected = NotNegative(event.Number(1));
  if (activity.type != nix_activity::kBuilds) return;
  builds_done_ = activity.done;
  // Nix counts down what it finds to be there already.
  builds_expected_ = std::max(activity.expected, activity.done);
}

void RealiseLog::AddBuilderLine(const std::string& derivation, std::string line) {
  line = Cut(std::move(line), kMaxLineBytes);
  log_line_ = line;
  const auto [tail, added] = tails_.try_emplace(derivation);
  tail->second.push_back(std::move(line));
  if (tail->second.size() > kTailLines) tail->second.pop_front();
  if (!added) return;
  tail_order_.push_back(derivation);
  if (tail_order_.size() <= kMaxTails) return;
  tails_.erase(tail_order_.front());
  tail_order_.pop_front();
}

void RealiseLog::AddError(std::string text) {
  if (errors_.size() < kMaxErrors && !text.empty())
    errors_.push_back(Cut(std::move(text), kMaxErrorBytes));
}

RealiseProgress RealiseLog::TakeProgress() {
  RealiseProgress progress;
  const Activity* build = nullptr;
  const Activity* copy = nullptr;
  uint64_t copied = copied_bytes_, to_copy = copied_bytes_;
  for (const auto& [id, activity] : activities_) {
    if (activity.type == nix_activity::kBuild) build = &activity;
    if (activity.type != nix_activity::kCopyPath) continue;
    copy = &activity;
    copied += activity.done;
    to_copy += std::max(activity.expected, activity.done);
  }
  const bool copying = copy != nullptr && build == nullptr;
  progress.phase = copying ? RealiseProgress::Phase::kCopying : RealiseProgress::Phase::kBuilding;
  progress.done = copying ? copied : builds_done_;
  progress.total = copying ? to_copy : builds_expected_;
  if (copying) progress.current = absl::StrCat("copying ", NameOf(copy->path));
  if (build != nullptr) progress.current = absl::StrCat("building ", NameOf(build->path));
  progress.log_line = std::exchange(log_line_, {});
  return progress;
}

std::string RealiseLog::Reason() const {
  // A message about a derivation says more than one about the call.
  const std::string* chosen = nullptr;
  for (const std::string& error : errors_) {
    if (IsInterruption(error)) continue;
    if (chosen == nullptr ||
        (!absl::StrContains(*chosen, ".drv'") && absl::StrContains(error, ".drv'")))
      chosen = &error;
  }
  if (chosen == nullptr)
    return last_plain_line_.empty() ? "Nix ended without saying why" : last_plain_line_;
  const absl::string_view text = absl::StripAsciiWhitespace(*chosen);
  absl::string_view line = text.substr(0, text.find('\n'));
  while (absl::ConsumeSuffix(&line, ";") || absl::ConsumeSuffix(&line, ":")) {
  }
  return std::string(line);
}

std::vector<std::string> RealiseLog::FailedDerivations() const {
  std::vector<std::string> derivations;
  for (const std::string& error : errors_) {
    const size_t begin = error.find(absl::StrCat("'", kStoreDirectory, "/"));
    if (begin == std::string::npos) continue;
    const size_t end = error.find('\'', begin + 1);
    if (end == std::string::npos) continue;
    std::string path = error.substr(begin + 1, end - begin - 1);
    if (absl::EndsWith(path, ".drv")) derivations.push_back(std::move(path));
  }
  return derivations;
}

std::vector<std::string> RealiseLog::BuilderTail() const {
  for (const std::string& derivation : FailedDerivations())
    if (const auto found = tails_.find(derivation); found != tails_.end())
      return {found->second.begin(), found->second.end()};
  return {};
}

}  // namespace stowage
