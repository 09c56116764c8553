#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace stowage {

// Writes the skeleton of one view: `path`/nix/store/<base name> for each store path. A directory is
// an empty one that leads to the store by "/<secret_name>/<base name>", with the store path's mode
// and owner (a merged directory shows those of its top layer); a file is a hard link, or a copy
// where there can be none; a symbolic link is made again.
//
// path: does not exist; what is left of it after an error is the caller's to remove. Nothing is
// synced: skeletons are written again after a reboot.
// Errors: NotFound if a store path is gone; the system's. Some 40 us for each path.
absl::Status WriteSkeleton(int store_fd, const std::vector<std::string>& base_names,
                           const std::string& secret_name, const std::string& path);

}  // namespace stowage
