#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/mount_info.h"
#include "fuse/mount.h"

namespace stowage {

// Where overlays are mounted that have a lower directory below `mount_point`, or below another
// mount of the same file system (`device`, as FuseMount has it), such as stowaged's with mapped
// ids: the containers that live on it. Thread-safe.
std::vector<std::string> OverlaysOn(const std::vector<MountInfo>& mounts,
                                    const std::string& mount_point, absl::string_view device);

// Says which containers of this mount namespace have lost the mount, and what to do.
void LogLostOverlays(const FuseMount& mount, const LogFunction& log);

}  // namespace stowage
