#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mount_info.h"

namespace stowage {

// What a mount of stowage-fuse keeps for its life. Its source in mountinfo tells everybody.
struct FuseMountSettings {
  std::string data;  // data mode: "cached" or "passthrough"; "": no mount of stowage-fuse
  bool extended_attributes = true;  // false: they are not supported there
};

// The source of a mount with these settings.
std::string FuseMountSource(const FuseMountSettings& settings);

// Of the uppermost mount at exactly this place.
FuseMountSettings FuseMountSettingsAt(const std::vector<MountInfo>& mounts,
                                      absl::string_view mountpoint);

}  // namespace stowage
