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

// How the temporary files are named that this and WriteIndexFile write: the file's name and this,
// whose X are replaced by mkostemp(3).
inline constexpr absl::string_view kUnfinishedFileSuffix = ".tmp-XXXXXX";

// Whether a file of this name is, or was when its writer died, not finished.
bool IsUnfinishedFile(absl::string_view name);

// Removes what killed processes have left unfinished in a directory. Only while nobody writes
// there. Errors: NotFound without the directory, else the errno's code.
absl::Status RemoveUnfinishedFiles(const std::string& directory);

// fsync(2) on a directory, so that renames and new names in it are durable.
absl::Status SyncDirectory(const std::string& path);

}  // namespace stowage
