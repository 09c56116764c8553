#include "fuse/mount_table.h"

#include <utility>

#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {

absl::StatusOr<std::vector<MountInfo>> MountsAt(const std::string& mountpoint) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/self/mountinfo"));
  std::vector<MountInfo> here;
  for (MountInfo& mount : ParseMountInfo(text)) {
    if (mount.mountpoint == mountpoint) here.push_back(std::move(mount));
  }
  return here;
}

}  // namespace stowage
