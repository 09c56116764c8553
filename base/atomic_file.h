#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace stowage {

// Replaces the file at `path` as one step that survives power loss: temporary file beside it,
// fsync, rename, fsync of the directory. On an error the old file stands and no temporary file is
// left.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 mode_t mode = 0644);

// fsync(2) on a directory, so that renames and new names in it are durable.
absl::Status SyncDirectory(const std::string& path);

}  // namespace stowage
