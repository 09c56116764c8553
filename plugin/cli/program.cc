#include "plugin/cli/program.h"

#include <algorithm>
#include <ostream>

#include "absl/status/status.h"
#include "plugin/cli/command_line.h"
#include "plugin/cli/commands.h"
#include "plugin/cli/exit_code.h"
#include "plugin/cli/output.h"
#include "plugin/cli/terminal_text.h"

namespace stowage {
namespace {

absl::StatusOr<int> ExitOkUnless(const absl::Status& error) {
  if (!error.ok()) return error;
  return kExitOk;
}

// Returns the exit code of a command that has printed its result.
absl::StatusOr<int> Dispatch(const Invocation& invocation, const Environment& environment,
                             const Streams& streams) {
  switch (invocation.command) {
    case Command::kPull:
      return ExitOkUnless(RunPullCommand(invocation, environment, streams));
    case Command::kRun:
      return ExitOkUnless(RunRunCommand(invocation, environment, streams));
    case Command::kResolve:
      return ExitOkUnless(RunResolveCommand(invocation, environment, streams));
    case Command::kInspect:
      return ExitOkUnless(RunInspectCommand(invocation, streams));
    case Command::kStatus:
      return ExitOkUnless(RunStatusCommand(invocation, streams));
    case Command::kSetupContainerd:
      return RunSetupContainerdCommand(invocation, streams);
    case Command::kDoctor:
      return RunDoctorCommand(invocation, streams);
    case Command::kNone:
      streams.out << invocation.message;
      return kExitOk;
  }
  return absl::InternalError("unknown command");
}

int Fail(const absl::Status& error, bool json, const Streams& streams) {
  if (json) {
    streams.out << ErrorToJson(error) << std::flush;
  } else {
    streams.err << "stowage: " << PrintableText(error.message()) << "\n" << std::flush;
  }
  return ExitCodeFor(error);
}

}  // namespace

int RunProgram(const std::vector<std::string>& words, const Environment& environment,
               const Streams& streams) {
  const auto invocation = ParseCommandLine(words, environment);
  if (!invocation.ok()) {
    // Whether JSON is wanted must be known of a command line that cannot be parsed, too.
    const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
    return Fail(invocation.status(), json, streams);
  }
  absl::StatusOr<int> exit_code = Dispatch(*invocation, environment, streams);
  if (exit_code.ok() && !streams.out.flush())
    exit_code = absl::DataLossError("write the result to standard output: it is closed or full");
  return exit_code.ok() ? *exit_code : Fail(exit_code.status(), invocation->json, streams);
}

}  // namespace stowage
