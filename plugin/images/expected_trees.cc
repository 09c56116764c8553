#include "plugin/images/expected_trees.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "layering/store_listing.h"

namespace stowage {

absl::StatusOr<ExpectedTrees> ExpectedTrees::Open(const std::string& state_directory) {
  ExpectedTrees trees(state_directory + "/expected_trees");
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(trees.directory_));
  STOWAGE_RETURN_IF_ERROR(RemoveUnfinishedFiles(trees.directory_));
  return trees;
}

std::string ExpectedTrees::File(int64_t object) const {
  return absl::StrCat(directory_, "/", object);
}

absl::Status ExpectedTrees::Expect(int64_t object, const Digest& tree) const {
  return WriteFileAtomically(File(object), tree.ToString());
}

absl::Status ExpectedTrees::Check(const ObjectRecord& object,
                                  const std::string& store_directory) const {
  const absl::StatusOr<std::string> text = ReadFile(File(object.number));
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(text.status());
  STOWAGE_ASSIGN_OR_RETURN(const Digest expected, Digest::Parse(*text));
  STOWAGE_ASSIGN_OR_RETURN(const LayerIndex tree, ReadStoreTree(store_directory, object.base_name));
  if (StoreTreeDigest(tree) != expected)
    return absl::DataLossError(
        "it has other files than its binary cache has listed (.ls), by which a provisional image "
        "was made. Pull the image without --lazy to make it of what there is");
  return Forget(object.number);
}

absl::Status ExpectedTrees::Forget(int64_t object) const {
  const std::string file = File(object);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT)
    return absl::ErrnoToStatus(errno, absl::StrCat("remove ", file));
  return absl::OkStatus();
}

}  // namespace stowage
