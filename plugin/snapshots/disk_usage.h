#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "plugin/snapshots/snapshot.h"

namespace stowage {

inline constexpr int64_t kAllInodes = std::numeric_limits<int64_t>::max();

// Allocated bytes (512 per block, as stat(2) tells) and inodes of a tree, its root included; an
// inode with several names counts once. Walks by descriptors, follows no link, and takes trees of
// any depth with a constant number of descriptors: a container may have made them.
//
// Files that vanish meanwhile are not counted. Errors: NotFound if there is no such directory;
// OutOfRange as soon as there are more than max_inodes (at least 1); Aborted if directories were
// moved under the walk several times in a row; else the system's.
absl::StatusOr<SnapshotUsage> MeasureDiskUsage(const std::string& directory,
                                               int64_t max_inodes = kAllInodes);

}  // namespace stowage
