#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mount_info.h"

namespace stowage {

// The source of a mount of stowage-fuse, which in mountinfo tells everybody its data mode.
inline constexpr char kCachedMountSource[] = "stowage";
inline constexpr char kPassthroughMountSource[] = "stowage-passthrough";

// "cached" or "passthrough" of the uppermost mount at exactly this place; "" if it is none of
// stowage-fuse.
std::string FuseDataModeAt(const std::vector<MountInfo>& mounts, absl::string_view mountpoint);

}  // namespace stowage
