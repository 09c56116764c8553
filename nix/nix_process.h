#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nix/call_limits.h"
#include "nix/nix_options.h"

namespace stowage {

// One run of a program of Nix.
struct NixCall {
  std::string program;                 // "nix-store"
  std::vector<std::string> arguments;  // after the settings that NixOptions brings
  std::string standard_input;
  // Receives standard error line by line; otherwise it is collected.
  std::function<void(absl::string_view line)> on_stderr_line;
  // From SIGTERM to SIGKILL when the call is ended early. Nix ends its builders on SIGTERM, while a
  // SIGKILL leaves them running, so a call that builds needs time.
  absl::Duration kill_grace = absl::Seconds(20);
};

struct NixResult {
  int exit_code = 0;
  std::string standard_output;
  std::string standard_error;  // empty with on_stderr_line
};

// Runs it in a cleaned environment: what points Nix to its store, daemon and configuration stays,
// what could change a result (NIX_PATH, a user's files) does not.
//
// A non-zero exit code is a result. Errors: Unavailable if the program cannot be started,
// InvalidArgument for a setting without '=', DeadlineExceeded, Cancelled. Thread-safe.
absl::StatusOr<NixResult> RunNix(const NixOptions& options, const NixCall& call,
                                 const CallLimits& limits);

// The error for a call that Nix ended with `reason` (its own message, of any length):
// ResourceExhausted for a full disk, Unavailable where Nix itself cannot work, else
// FailedPrecondition.
absl::Status NixFailure(absl::string_view what, absl::string_view reason);

// What Nix said before it ended with an error: the first error of internal-json lines, else the
// text after the last "error: ", else the last line.
std::string NixReason(absl::string_view standard_error);

}  // namespace stowage
