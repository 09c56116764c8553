#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace stowage {

// Whether a mounted view shows the store paths it should, with everything directly inside each, and
// nothing else: what overlayfs does not follow it shows as an empty directory, without an error.
//
// view_fd: the root of the mount. base_names: sorted.
// Errors: DataLoss naming the first difference; NotFound for a store path that is gone.
// Some 100 us for each path, on all CPUs.
absl::Status CheckView(int view_fd, int store_fd, const std::vector<std::string>& base_names);

}  // namespace stowage
