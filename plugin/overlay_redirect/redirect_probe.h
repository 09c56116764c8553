#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace stowage {

// Whether the running kernel shows a store through redirects as docs/overlay-redirect.md lays them
// out: mounts a store of one file, made in `directory`, with these options and reads it.
//
// directory: does not exist; on the file system where views will be; removed at the end.
// options: those of every mount. Errors: FailedPrecondition with the reason.
absl::Status ProbeRedirects(const std::string& directory, const std::vector<std::string>& options);

}  // namespace stowage
