#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace stowage {

// Takes the lock file at `path` (made with mode 0600 when missing) for this process: flock(2),
// exclusive, without waiting. The lock goes with the descriptor, however the process ends; the file
// stays, since deleting it would give away its name. Errors: FailedPrecondition if another process
// has it; else the errno's code.
absl::StatusOr<UniqueFd> LockFile(const std::string& path);

}  // namespace stowage
