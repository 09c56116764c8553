#include "plugin/cli/exit_code.h"

namespace stowage {

int ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kPermissionDenied:
      return kExitUnreachable;
    default:
      return kExitFailed;
  }
}

}  // namespace stowage
