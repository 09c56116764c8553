#include "plugin/cli/run_arguments.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "plugin/cli/runner_flags.h"

namespace stowage {
namespace {

absl::Status UnknownFlag(absl::string_view flag) {
  return absl::InvalidArgumentError(absl::StrCat(
      "flag ", flag, ": known neither here nor to ctr run or nerdctl run; write it as ", flag,
      "=VALUE, or pass it on unseen after the reference: REF -- ", flag, " ..."));
}

// Walks over the words before REF.
class Splitter {
 public:
  Splitter(absl::Span<const std::string> words,
           const std::function<OwnOption(absl::string_view)>& classify)
      : words_(words), classify_(classify) {}

  absl::StatusOr<RunArguments> Split() {
    while (next_ < words_.size() && absl::StartsWith(words_[next_], "-") && words_[next_] != "-") {
      if (words_[next_] == "--") {
        ++next_;
        break;
      }
      STOWAGE_RETURN_IF_ERROR(TakeFlag());
    }
    if (next_ < words_.size()) {
      arguments_.reference = words_[next_++];
      TakeRest();
    }
    return std::move(arguments_);
  }

 private:
  absl::Status TakeFlag() {
    const std::string& word = words_[next_];
    const std::string flag = word.substr(0, word.find('='));
    const bool has_value = flag.size() < word.size();
    const OwnOption own = Classify(flag);
    if (own != OwnOption::kNo)
      return Take(arguments_.own_words,
                  own == OwnOption::kTakesValue && !has_value && !HasAttachedValue(flag));
    const RunnerFlagKind kind = ClassifyRunnerFlag(flag);
    if (kind == RunnerFlagKind::kUnknown && !has_value) return UnknownFlag(flag);
    return Take(arguments_.runner_flags, kind == RunnerFlagKind::kTakesValue && !has_value);
  }

  // "-nfoo" is "-n foo".
  static bool HasAttachedValue(absl::string_view flag) {
    return !absl::StartsWith(flag, "--") && flag.size() > 2;
  }

  OwnOption Classify(absl::string_view flag) const {
    if (!HasAttachedValue(flag)) return classify_(flag);
    const OwnOption own = classify_(flag.substr(0, 2));
    return own == OwnOption::kTakesValue ? own : OwnOption::kNo;
  }

  absl::Status Take(std::vector<std::string>& target, bool with_next) {
    target.push_back(words_[next_++]);
    if (!with_next) return absl::OkStatus();
    if (next_ == words_.size())
      return absl::InvalidArgumentError(absl::StrCat("flag ", target.back(), ": has no value"));
    target.push_back(words_[next_++]);
    return absl::OkStatus();
  }

  void TakeRest() {
    auto rest = words_.subspan(next_);
    if (!rest.empty() && rest.front() == "--") {
      rest.remove_prefix(1);
      const auto end = std::find(rest.begin(), rest.end(), "--");
      arguments_.runner_words.assign(rest.begin(), end);
      rest = rest.subspan(std::min<size_t>(rest.size(), end - rest.begin() + 1));
    }
    arguments_.command.assign(rest.begin(), rest.end());
  }

  absl::Span<const std::string> words_;
  const std::function<OwnOption(absl::string_view)>& classify_;
  size_t next_ = 0;
  RunArguments arguments_;
};

}  // namespace

absl::StatusOr<RunArguments> SplitRunArguments(
    absl::Span<const std::string> words,
    const std::function<OwnOption(absl::string_view flag)>& classify) {
  return Splitter(words, classify).Split();
}

}  // namespace stowage
