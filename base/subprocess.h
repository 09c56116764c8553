#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace stowage {

struct SubprocessOptions {
  // Program and arguments; argv[0] is looked up in this process's PATH when it has no '/'. Never a
  // shell.
  std::vector<std::string> argv;
  // Complete environment as "NAME=value". Empty: this process's own.
  std::vector<std::string> environment;
  // Empty: this process's own.
  std::string working_directory;
  // Given on standard input; otherwise that is /dev/null.
  std::string standard_input;
  // When reached, the child gets SIGTERM, after `kill_grace` SIGKILL, and the result is
  // DeadlineExceeded.
  absl::Time deadline = absl::InfiniteFuture();
  // When requested, the same with Cancelled.
  std::stop_token stop;
  absl::Duration kill_grace = absl::Seconds(5);
  // Receives output as it comes, in pieces of any size, on the caller's thread. Without one the
  // output is collected.
  std::function<void(absl::string_view)> on_stdout;
  std::function<void(absl::string_view)> on_stderr;
  // Collected output beyond this is ResourceExhausted for stdout; of stderr the last bytes are
  // kept.
  size_t max_output_bytes = size_t{256} << 20;
};

struct SubprocessResult {
  int exit_code = 0;  // 128 + signal number when a signal ended it
  std::string standard_output;
  std::string standard_error;
};

// Runs a program to its end, reading both pipes at the same time (a full pipe can therefore never
// block the child).
//
// A non-zero exit code is a result, not an error. Errors: NotFound if there is no such program;
// DeadlineExceeded, Cancelled as said above; Internal or the errno's code for what the system
// refused. The child is in a process group of its own, gets SIGTERM when this process's thread
// dies, and is always reaped. Thread-safe.
absl::StatusOr<SubprocessResult> RunSubprocess(const SubprocessOptions& options);

}  // namespace stowage
