#pragma once

#include <string>

#include "absl/status/status.h"
#include "layering/layer_index.h"

namespace stowage {

// A tree on disk that is to be described.
struct TreeRoot {
  int directory_fd;   // walked from here, without following links
  std::string shown;  // its path, for messages
};

// Which permission bits the entries get.
enum class ModeRule {
  kStore,  // as a NAR has them: 0555 for directories and executable files, 0444 for other files
  kAsTheyAre,
};

// Appends what `name` in the root is, with everything below it: depth first, a directory before
// what it holds, the names of a directory sorted by their bytes.
//
// Errors: NotFound if it is missing; InvalidArgument if there is anything but directories, regular
// files and symbolic links; else the errno's code. After an error the index is of no use.
absl::Status AddTree(const TreeRoot& root, const std::string& name, ModeRule modes,
                     LayerIndex::EntryNumber parent, LayerIndex& index);

// The same for everything in the root, not for the root itself; the entries have no parent.
absl::Status AddContents(const TreeRoot& root, ModeRule modes, LayerIndex& index);

}  // namespace stowage
