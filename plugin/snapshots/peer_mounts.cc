#include "plugin/snapshots/peer_mounts.h"

#include <fcntl.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/mount_info.h"

namespace stowage {

namespace {

bool IsMounted(const std::vector<MountInfo>& mounts, const std::string& place,
               absl::string_view file_system_type) {
  if (!file_system_type.empty()) return IsMountedAs(mounts, place, file_system_type);
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const MountInfo& mount) { return mount.mountpoint == place; });
}

}  // namespace

bool UsesDirectory(const std::vector<Mount>& mounts, absl::string_view directory) {
  const std::string below = absl::StrCat(directory, "/");
  const auto inside = [&](absl::string_view path) { return absl::StartsWith(path, below); };
  return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) {
    if (inside(mount.source)) return true;
    for (const std::string& option : mount.options) {
      for (const absl::string_view path : absl::StrSplit(option, absl::ByAnyChar("=:")))
        if (inside(path)) return true;
    }
    return false;
  });
}

absl::Status CheckPeerSees(pid_t process, const std::string& mountpoint,
                           absl::string_view file_system_type) {
  const std::string directory = absl::StrCat("/proc/", process);
  const auto theirs = ReadLinkAt(AT_FDCWD, directory + "/ns/mnt");
  const auto ours = ReadLinkAt(AT_FDCWD, "/proc/self/ns/mnt");
  if (!theirs.ok() || !ours.ok() || *theirs == *ours) return absl::OkStatus();
  const auto mounts = ReadFile(directory + "/mountinfo");
  if (!mounts.ok() || IsMounted(ParseMountInfo(*mounts), mountpoint, file_system_type))
    return absl::OkStatus();
  const absl::string_view mounter = file_system_type == "fuse" ? "stowage-fuse" : "stowaged";
  return absl::FailedPreconditionError(absl::StrCat(
      "containerd (process ", process, ", mount namespace ", *theirs, ") does not see ", mountpoint,
      ", where ", mounter, " has mounted for snapshots of stowaged (mount namespace ", *ours,
      "): start stowage-fuse and stowaged in the mount namespace of containerd, with no unit "
      "option "
      "that makes one of their own (PrivateMounts, PrivateTmp, ProtectSystem, ...)"));
}

}  // namespace stowage
