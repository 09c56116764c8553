#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "nix/store_path.h"
#include "plugin/images/layer_table.h"

namespace stowage {

// The store paths of recorded objects, in their order. Errors: InvalidArgument for a name that is
// none of a store path.
absl::StatusOr<std::vector<StorePath>> PathsOf(const std::vector<ObjectRecord>& objects);

}  // namespace stowage
