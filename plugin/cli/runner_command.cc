#include "plugin/cli/runner_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "plugin/cli/runner_flags.h"

namespace stowage {
namespace {

std::optional<std::string> FindProgram(absl::string_view name, absl::string_view search_path) {
  for (const absl::string_view directory : absl::StrSplit(search_path, ':', absl::SkipEmpty())) {
    std::string path = absl::StrCat(directory, "/", name);
    struct stat status = {};
    const bool is_file = ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
    if (is_file && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

// ctr's form of a switch or cluster of switches.
void AppendForCtr(std::vector<std::string>& words, const std::string& flag) {
  const bool cluster =
      flag.size() >= 2 && flag[0] == '-' && flag.find_first_not_of("dit", 1) == std::string::npos;
  if (!cluster) {
    if (flag != "--interactive") words.push_back(flag);
    return;
  }
  for (const char letter : flag.substr(1)) {
    if (letter != 'i') words.push_back({'-', letter});
  }
}

std::vector<std::string> CtrCommand(const Runner& runner, const ContainerSpec& spec,
                                    absl::string_view id) {
  std::vector<std::string> words = {
      runner.path, "--address",     spec.address,    "--namespace", spec.containerd_namespace,
      "run",       "--snapshotter", spec.snapshotter};
  bool is_value = false;
  for (const std::string& flag : spec.runner_flags) {
    if (is_value) {
      words.push_back(flag);
      is_value = false;
      continue;
    }
    AppendForCtr(words, flag);
    is_value = ClassifyRunnerFlag(flag) == RunnerFlagKind::kTakesValue;
  }
  words.insert(words.end(), spec.runner_words.begin(), spec.runner_words.end());
  words.push_back(spec.names.ctr);
  words.emplace_back(id);
  return words;
}

std::vector<std::string> NerdctlCommand(const Runner& runner, const ContainerSpec& spec) {
  std::vector<std::string> words = {runner.path, "--address", spec.address, "--namespace",
                                    spec.containerd_namespace, "--snapshotter", spec.snapshotter,
                                    "run",
                                    // The image is there; a registry must never be asked for it.
                                    "--pull=never"};
  if (!spec.id.empty()) words.push_back(absl::StrCat("--name=", spec.id));
  words.insert(words.end(), spec.runner_flags.begin(), spec.runner_flags.end());
  words.insert(words.end(), spec.runner_words.begin(), spec.runner_words.end());
  words.push_back(spec.names.cri);
  return words;
}

}  // namespace

absl::StatusOr<Runner> FindRunner(RunnerChoice choice, absl::string_view search_path) {
  if (choice != RunnerChoice::kCtr) {
    if (const auto path = FindProgram("nerdctl", search_path))
      return Runner{Runner::Kind::kNerdctl, *path};
    if (choice == RunnerChoice::kNerdctl)
      return absl::FailedPreconditionError("no nerdctl in PATH: install it, or use --with ctr");
  }
  if (const auto path = FindProgram("ctr", search_path)) return Runner{Runner::Kind::kCtr, *path};
  return absl::FailedPreconditionError(
      choice == RunnerChoice::kCtr ? "no ctr in PATH: it comes with containerd"
                                   : "neither nerdctl nor ctr in PATH: ctr comes with containerd");
}

std::vector<std::string> RunnerCommand(const Runner& runner, const ContainerSpec& spec,
                                       absl::string_view generated_id) {
  std::vector<std::string> words =
      runner.kind == Runner::Kind::kNerdctl
          ? NerdctlCommand(runner, spec)
          : CtrCommand(runner, spec, spec.id.empty() ? generated_id : spec.id);
  words.insert(words.end(), spec.command.begin(), spec.command.end());
  return words;
}

std::string ContainerIdFor(absl::string_view reference, absl::string_view suffix) {
  const size_t slash = reference.rfind('/');
  if (slash != absl::string_view::npos) reference.remove_prefix(slash + 1);
  // containerd: [A-Za-z0-9]+([._-][A-Za-z0-9]+)*, at most 76 bytes (pkg/identifiers).
  constexpr size_t kLongestStem = 40;
  std::string stem;
  for (const char c : reference.substr(0, reference.find(':'))) {
    if (absl::ascii_isalnum(c) && stem.size() < kLongestStem) stem += c;
  }
  return absl::StrCat(stem.empty() ? "stowage" : stem, "-", suffix);
}

std::string ShellQuoted(const std::vector<std::string>& words) {
  return absl::StrJoin(words, " ", [](std::string* out, const std::string& word) {
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
      return absl::ascii_isalnum(c) || absl::StrContains("-_./:=@,+%", c);
    });
    absl::StrAppend(
        out, plain ? word : absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'"));
  });
}

}  // namespace stowage
