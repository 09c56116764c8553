#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/mount_info.h"

namespace stowage {

// Where overlays are mounted that have a lower directory below `mount_point`: the containers that
// live on it. Thread-safe.
std::vector<std::string> OverlaysOn(const std::vector<MountInfo>& mounts,
                                    absl::string_view mount_point);

// Says which containers of this mount namespace have lost the mount, and what to do.
void LogLostOverlays(const std::string& mount_point, const LogFunction& log);

}  // namespace stowage
