#include "base/fuse_mount_source.h"

namespace stowage {

std::string FuseDataModeAt(const std::vector<MountInfo>& mounts, absl::string_view mountpoint) {
  std::string mode;
  for (const MountInfo& mount : mounts) {
    if (mount.mountpoint != mountpoint) continue;
    mode = mount.file_system_type != "fuse.stowage"  ? ""
           : mount.source == kPassthroughMountSource ? "passthrough"
                                                     : "cached";
  }
  return mode;
}

}  // namespace stowage
