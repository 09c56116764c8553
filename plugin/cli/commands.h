#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugin/cli/command_line.h"
#include "plugin/cli/environment.h"
#include "plugin/cli/output.h"

namespace stowage {

// The subcommands. Each prints its result; errors are returned, for the caller to print.
absl::Status RunPullCommand(const Invocation& invocation, const Environment& environment,
                            const Streams& streams);
// Returns only on errors: otherwise the runner takes the process's place.
absl::Status RunRunCommand(const Invocation& invocation, const Environment& environment,
                           const Streams& streams);
absl::Status RunResolveCommand(const Invocation& invocation, const Environment& environment,
                               const Streams& streams);
absl::Status RunInspectCommand(const Invocation& invocation, const Streams& streams);
absl::Status RunStatusCommand(const Invocation& invocation, const Streams& streams);
// Returns the exit code: not kExitOk if something is left to be done by hand.
absl::StatusOr<int> RunSetupContainerdCommand(const Invocation& invocation, const Streams& streams);
// Returns the exit code: not kExitOk if something is wrong with the node.
absl::StatusOr<int> RunDoctorCommand(const Invocation& invocation, const Streams& streams);

// Parts of them.

// Resolves the reference, showing progress on streams.err.
absl::StatusOr<v1::ResolvedImage> ResolveWithProgress(const Invocation& invocation,
                                                      const Environment& environment,
                                                      const Streams& streams);
// Resolves and imports into containerd, which is tried first: a missing one shows before the build.
absl::StatusOr<PulledImage> PullImage(const Invocation& invocation, const Environment& environment,
                                      const Streams& streams);
// "warning: ..." lines on streams.err, unless --quiet or --json.
void PrintWarnings(const Invocation& invocation, const std::vector<std::string>& warnings,
                   const Streams& streams);

}  // namespace stowage
