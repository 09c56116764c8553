#include <errno.h>
#include <unistd.h>

#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "plugin/cli/commands.h"
#include "plugin/cli/image_names.h"
#include "plugin/cli/terminal_text.h"

namespace stowage {
namespace {

absl::Status Execute(std::vector<std::string> words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  return absl::ErrnoToStatus(errno, absl::StrCat("execute ", words[0]));
}

}  // namespace

absl::Status RunRunCommand(const Invocation& invocation, const Environment& environment,
                           const Streams& streams) {
  // First, so that nobody waits for a build that nothing could run.
  STOWAGE_ASSIGN_OR_RETURN(const Runner runner,
                           FindRunner(invocation.runner, environment.search_path));
  STOWAGE_ASSIGN_OR_RETURN(const PulledImage pulled, PullImage(invocation, environment, streams));
  PrintWarnings(invocation, WarningsOf(pulled), streams);

  const ContainerSpec spec = {
      .address = invocation.containerd_address,
      .containerd_namespace = invocation.containerd_namespace,
      .snapshotter = invocation.snapshotter,
      .names = NamesForReference(invocation.reference, pulled.image.name(), pulled.image.tag(),
                                 invocation.containerd_namespace),
      .id = invocation.container_id,
      .runner_flags = invocation.run.runner_flags,
      .runner_words = invocation.run.runner_words,
      .command = invocation.run.command};
  absl::BitGen random;
  const std::string id = ContainerIdFor(invocation.reference,
                                        absl::StrFormat("%08x", absl::Uniform<uint32_t>(random)));
  std::vector<std::string> words = RunnerCommand(runner, spec, id);
  if (!invocation.quiet) streams.err << "+ " << PrintableLine(ShellQuoted(words)) << "\n";
  streams.err << std::flush;
  streams.out << std::flush;
  return Execute(std::move(words));
}

}  // namespace stowage
