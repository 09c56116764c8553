#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace stowage {

// Mounts a read-only overlay that has no place: nobody else sees it, and it goes with the
// descriptor, however this process ends.
//
// lowers: directories, top first. options: as for mount(2), without directories.
// Returns the mount's root, O_PATH. Errors: the system's, with what the kernel says besides;
// Unimplemented before Linux 5.2.
absl::StatusOr<UniqueFd> MountDetachedOverlay(const std::vector<std::string>& lowers,
                                              const std::vector<std::string>& options);

}  // namespace stowage
