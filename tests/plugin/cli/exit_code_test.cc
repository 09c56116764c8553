#include "plugin/cli/exit_code.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("Exit codes are those that --help promises", "[cli][exit_code]") {
  const auto [code, want] = GENERATE(table<absl::StatusCode, int>({
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kInvalidArgument, 2},
      {absl::StatusCode::kNotFound, 3},
      {absl::StatusCode::kUnavailable, 4},
      {absl::StatusCode::kPermissionDenied, 4},
      {absl::StatusCode::kFailedPrecondition, 1},
      {absl::StatusCode::kDeadlineExceeded, 1},
      {absl::StatusCode::kInternal, 1},
  }));
  CHECK(ExitCodeFor(absl::Status(code, "x")) == want);
}

}  // namespace
}  // namespace stowage
