#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/digest.h"
#include "plugin/images/layer_table.h"

namespace stowage {

// What the store paths of provisional images are to look like, because the profiles were made of
// it: a file each, <state>/expected_trees/<object number>, with the digest of the tree that a
// binary cache has listed (StoreTreeDigest). It stays until the store path was found to be so.
// Thread-safe.
class ExpectedTrees {
 public:
  // Makes the directory; removes what a killed process has left unfinished.
  static absl::StatusOr<ExpectedTrees> Open(const std::string& state_directory);

  // Durable when this returns.
  absl::Status Expect(int64_t object, const Digest& tree) const;

  // Looks at the object's store path, all of which is there, if something is expected of it.
  // Errors: DataLoss if it has another tree.
  absl::Status Check(const ObjectRecord& object, const std::string& store_directory) const;

  // Nothing is expected of the object any longer. One of which nothing was is OK.
  absl::Status Forget(int64_t object) const;

 private:
  explicit ExpectedTrees(std::string directory) : directory_(std::move(directory)) {}
  std::string File(int64_t object) const;

  std::string directory_;
};

}  // namespace stowage
