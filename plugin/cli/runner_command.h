#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugin/cli/image_names.h"

namespace stowage {

enum class RunnerChoice { kAutomatic, kNerdctl, kCtr };

// A program that starts containers.
struct Runner {
  enum class Kind { kNerdctl, kCtr } kind = Kind::kCtr;
  std::string path;
};

// Looks for the runner in the directories of search_path (as PATH has them): nerdctl, else ctr,
// unless one is chosen. Errors: FailedPrecondition, naming what is missing.
absl::StatusOr<Runner> FindRunner(RunnerChoice choice, absl::string_view search_path);

struct ContainerSpec {
  std::string address;  // of containerd
  std::string containerd_namespace;
  std::string snapshotter;
  ImageNames names;
  std::string id;                         // ctr's container ID, nerdctl's --name; empty: see below
  std::vector<std::string> runner_flags;  // as RunArguments has them
  std::vector<std::string> runner_words;
  std::vector<std::string> command;
};

// The program and its arguments. ctr must have an ID: generated_id is taken when spec.id is empty.
// ctr keeps standard input open always and knows no -i; a cluster like -it becomes what ctr has.
std::vector<std::string> RunnerCommand(const Runner& runner, const ContainerSpec& spec,
                                       absl::string_view generated_id);

// An ID that containerd accepts: letters and digits of the reference's last component and `suffix`.
std::string ContainerIdFor(absl::string_view reference, absl::string_view suffix);

// The words as one would type them in a POSIX shell.
std::string ShellQuoted(const std::vector<std::string>& words);

}  // namespace stowage
