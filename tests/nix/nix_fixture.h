#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "nix/call_limits.h"
#include "nix/evaluation.h"
#include "nix/nix_options.h"

namespace stowage::testing {

// A variable of the environment, or "".
inline std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// The Nix under test: programs in STOWAGE_TEST_NIX_DIRECTORY, or in PATH. Settings for root without
// the group nixbld and without a network.
inline NixOptions TestNixOptions() {
  NixOptions options;
  options.program_directory = Variable("STOWAGE_TEST_NIX_DIRECTORY");
  options.extra_settings = {"build-users-group=", "substituters=", "sandbox=false", "max-jobs=2"};
  options.work_directory = "/tmp";
  return options;
}

// The package set under test.
inline std::string TestPackageSet() { return Variable("STOWAGE_TEST_PKGSET"); }

// Far more than any step here takes; a hang fails instead of blocking.
inline CallLimits TestLimits() {
  CallLimits limits;
  limits.deadline = absl::Now() + absl::Minutes(5);
  return limits;
}

inline absl::StatusOr<Evaluation> EvaluateNames(std::vector<std::string> names,
                                                std::vector<std::string> optional_names = {}) {
  return NixEvaluator(TestNixOptions())
      .Evaluate({TestPackageSet(), "x86_64-linux", std::move(names), std::move(optional_names)},
                TestLimits());
}

}  // namespace stowage::testing
