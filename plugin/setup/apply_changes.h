#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plugin/setup/containerd_setup.h"

namespace stowage {

struct WrittenFile {
  std::string path;
  std::string backup;  // where the old text is; "" for a new file
};

// Writes the files in order, each as one step that survives power loss; directories are made.
// Before a file is replaced, its old text is written to PATH.before-stowage, or
// PATH.before-stowage.N with the first free number. Mode and owner of an existing file stay.
//
// Errors: Aborted if a file has changed since it was read; else the errno's code. What was written
// before stays, and the message names it.
absl::StatusOr<std::vector<WrittenFile>> ApplyChanges(const std::vector<FileChange>& changes);

}  // namespace stowage
