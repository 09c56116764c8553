#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace stowage {

// mkdir -p: makes the directory and missing parents with `mode`; existing directories keep theirs.
absl::Status MakeDirectories(const std::string& path, mode_t mode = 0755);

// True if `path` is a directory (or a link to one).
bool DirectoryExists(const std::string& path);

// Names in a directory, sorted by bytes, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListDirectory(int directory_fd, const std::string& what);
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);

// Removes a file or a whole tree, read-only directories included, walking by descriptors without
// following links. A path that does not exist is OK. Never crosses into another mount.
absl::Status RemoveTree(const std::string& path);
// stop: asked before each file. Once it says so, Cancelled, and what is left can be removed later.
absl::Status RemoveTree(const std::string& path, absl::FunctionRef<bool()> stop);

}  // namespace stowage
