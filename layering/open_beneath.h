#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace stowage {

// Opens a file below a directory so that no symbolic link is followed at any component, the last
// one included, and nothing outside the directory is reached.
//
// relative_path: one or more names with '/' between them, of any length; no "", "." or "..".
// flags: as for open(2); O_CLOEXEC and O_NOFOLLOW are added.
// Errors: NotFound if a component is missing; FailedPrecondition if one is a link or no directory;
// else the errno's code. The message names relative_path. Thread-safe.
absl::StatusOr<UniqueFd> OpenBeneath(int directory_fd, const std::string& relative_path, int flags);

// The same for what lies in the directory itself: name is one component.
absl::StatusOr<UniqueFd> OpenNameBeneath(int directory_fd, const std::string& name, int flags);

}  // namespace stowage
