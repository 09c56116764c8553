#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "layering/layer_index.h"

namespace stowage {

// What a store path has besides the bytes of its files, as its binary cache says and as it is. Such
// a tree is a LayerIndex with the store path as its one entry without a parent.

inline constexpr size_t kMaxStoreListingBytes = size_t{16} << 20;
inline constexpr size_t kMaxStoreListingEntries = 200'000;

// A listing that a binary cache has beside a NAR (HASH.ls, version 1; Nix:
// libstore/nar-accessor.cc). Nobody has signed it, so its form is not trusted: whatever the bytes
// are, the result is a tree that a store path can have, or an error. Errors: InvalidArgument saying
// what is wrong. Pure.
absl::StatusOr<LayerIndex> ParseStoreListing(const std::string& base_name, absl::string_view text);

// The tree on disk. Errors: as AddTree. Thread-safe.
absl::StatusOr<LayerIndex> ReadStoreTree(const std::string& store_directory,
                                         const std::string& base_name);

// The same for trees with the same names, types, modes, sizes and link targets, and for no others.
Digest StoreTreeDigest(const LayerIndex& tree);

// Base names of the store paths that links in the tree lead into, sorted, its own left out.
std::vector<std::string> LinkedStorePaths(const LayerIndex& tree);

// Makes the tree in a directory: directories, links, and files without content. For ComposeProfile.
// Errors: AlreadyExists if it is there; else the errno's code. Thread-safe.
absl::Status WriteStoreSkeleton(const LayerIndex& tree, const std::string& store_directory);

}  // namespace stowage
