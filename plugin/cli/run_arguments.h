#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace stowage {

// The words after `stowage run`, sorted by whose they are.
struct RunArguments {
  std::vector<std::string> own_words;     // options of stowage itself, with their values
  std::vector<std::string> runner_flags;  // for `ctr run` or `nerdctl run`, with their values
  std::vector<std::string> runner_words;  // the same, but typed after REF --, so never looked at
  std::string reference;                  // empty only with --help
  std::vector<std::string> command;       // of the container; empty: the image's own
};

// Tells an option of stowage from one of the runner.
enum class OwnOption { kNo, kSwitch, kTakesValue };

// Grammar:
//   [OPTION | RUNNER-FLAG]... [--] REF [COMMAND [ARG]...]
//   [OPTION | RUNNER-FLAG]... REF -- RUNNER-WORD... [-- COMMAND [ARG]...]
//
// Before REF, an option of stowage is taken, every other flag goes to the runner. A flag's value
// may follow as the next word when the flag is one of ctr's or nerdctl's; others are written
// --flag=value. After REF all words are the container's command, unchanged. A "--" directly after
// REF is the way out: the words up to the next "--" go to the runner, whatever they are.
//
// classify: for a flag without "=value".
// Errors: InvalidArgument, telling the right form.
absl::StatusOr<RunArguments> SplitRunArguments(
    absl::Span<const std::string> words,
    const std::function<OwnOption(absl::string_view flag)>& classify);

}  // namespace stowage
