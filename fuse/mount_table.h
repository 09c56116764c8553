#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mount_info.h"

namespace stowage {

// This process's mounts at exactly this place, lowest first. Errors: the errno's.
absl::StatusOr<std::vector<MountInfo>> MountsAt(const std::string& mountpoint);

}  // namespace stowage
