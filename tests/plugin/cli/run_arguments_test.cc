#include "plugin/cli/run_arguments.h"

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using Words = std::vector<std::string>;

OwnOption Classify(absl::string_view flag) {
  if (flag == "--quiet" || flag == "-q") return OwnOption::kSwitch;
  if (flag == "--namespace" || flag == "-n") return OwnOption::kTakesValue;
  return OwnOption::kNo;
}

struct Case {
  Words words;
  Words own;
  Words flags;
  Words raw;
  std::string reference;
  Words command;
};

TEST_CASE("SplitRunArguments gives every word to whom it belongs", "[cli][run_arguments]") {
  const Case c = GENERATE(values<Case>({
      {{"nix/git"}, {}, {}, {}, "nix/git", {}},
      {{"nix/git", "git", "--version"}, {}, {}, {}, "nix/git", {"git", "--version"}},
      {{"--rm", "-t", "nix/git"}, {}, {"--rm", "-t"}, {}, "nix/git", {}},
      {{"-it", "nix/git", "sh"}, {}, {"-it"}, {}, "nix/git", {"sh"}},
      {{"--env", "A=B", "-v", "/a:/b", "nix/git"},
       {},
       {"--env", "A=B", "-v", "/a:/b"},
       {},
       "nix/git",
       {}},
      {{"--env=A=B", "--new=1", "-p80:80", "nix/git"},
       {},
       {"--env=A=B", "--new=1", "-p80:80"},
       {},
       "nix/git",
       {}},
      {{"-n", "x", "--rm", "--namespace=y", "-q", "-nz", "nix/git"},
       {"-n", "x", "--namespace=y", "-q", "-nz"},
       {"--rm"},
       {},
       "nix/git",
       {}},
      // After the reference nothing is an option.
      {{"nix/git", "-n", "x", "--rm"}, {}, {}, {}, "nix/git", {"-n", "x", "--rm"}},
      {{"nix/git", "git", "log", "--", "f"}, {}, {}, {}, "nix/git", {"git", "log", "--", "f"}},
      {{"--rm", "--", "nix/git", "sh"}, {}, {"--rm"}, {}, "nix/git", {"sh"}},
      // The way out.
      {{"nix/git", "--", "--rm", "--odd", "1"}, {}, {}, {"--rm", "--odd", "1"}, "nix/git", {}},
      {{"nix/git", "--", "--rm", "--", "git", "--", "f"},
       {},
       {},
       {"--rm"},
       "nix/git",
       {"git", "--", "f"}},
      {{"nix/git", "--", "--", "--odd"}, {}, {}, {}, "nix/git", {"--odd"}},
      {{"nix/git", "--"}, {}, {}, {}, "nix/git", {}},
      {{}, {}, {}, {}, "", {}},
      {{"--rm"}, {}, {"--rm"}, {}, "", {}},
  }));
  const auto split = SplitRunArguments(c.words, Classify);
  REQUIRE_OK(split);
  CHECK(split->own_words == c.own);
  CHECK(split->runner_flags == c.flags);
  CHECK(split->runner_words == c.raw);
  CHECK(split->reference == c.reference);
  CHECK(split->command == c.command);
}

TEST_CASE("SplitRunArguments never guesses whether a flag has a value", "[cli][run_arguments]") {
  const auto [words, part] = GENERATE(table<Words, std::string>({
      {{"--odd", "nix/git"}, "--odd=VALUE"},
      {{"-z", "nix/git"}, "-z=VALUE"},
      {{"-tz", "nix/git"}, "-tz"},
      {{"--env"}, "has no value"},
      {{"-n"}, "has no value"},
  }));
  const auto split = SplitRunArguments(words, Classify);
  CHECK(absl::IsInvalidArgument(split.status()));
  CHECK(absl::StrContains(split.status().message(), part));
}

}  // namespace
}  // namespace stowage
