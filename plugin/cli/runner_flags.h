#pragma once

#include "absl/strings/string_view.h"

namespace stowage {

// Whether the next word belongs to a flag of `ctr run` or `nerdctl run`.
enum class RunnerFlagKind { kUnknown, kSwitch, kTakesValue };

// flag: with its dashes, without "=value": "--rm", "-t", "-it" (a cluster of switches).
RunnerFlagKind ClassifyRunnerFlag(absl::string_view flag);

}  // namespace stowage
