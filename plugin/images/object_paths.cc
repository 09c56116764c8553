#include "plugin/images/object_paths.h"

#include <utility>

#include "base/status_macros.h"

namespace stowage {

absl::StatusOr<std::vector<StorePath>> PathsOf(const std::vector<ObjectRecord>& objects) {
  std::vector<StorePath> paths;
  for (const ObjectRecord& object : objects) {
    STOWAGE_ASSIGN_OR_RETURN(StorePath path, StorePath::FromBaseName(object.base_name));
    paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace stowage
