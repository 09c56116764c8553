#include "plugin/snapshots/id_mapped_clone.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/mount_info.h"
#include "base/status_macros.h"
#include "plugin/snapshots/user_namespace.h"

namespace stowage {
namespace {

using KernelVersion = std::pair<int, int>;

// overlayfs takes idmapped mounts as lower directories ("ovl: support idmapped layers").
constexpr KernelVersion kOverlaySince = {5, 19};
// FUSE_ALLOW_IDMAP.
constexpr KernelVersion kFuseSince = {6, 12};

std::string KernelRelease() {
  utsname names = {};
  (void)::uname(&names);  // fails for a bad pointer only
  return names.release;
}

KernelVersion KernelVersionOf(const std::string& release) {
  KernelVersion version = {0, 0};
  // Two numbers, or the oldest kernel of all.
  (void)std::sscanf(release.c_str(), "%d.%d", &version.first, &version.second);
  return version;
}

absl::Status Refusal(const std::string& directory, absl::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat(
      "map the ids of ", directory, ": ", reason, " (Linux ", KernelRelease(),
      "). For the Nix store it takes Linux ", kFuseSince.first, ".", kFuseSince.second,
      " and a stowage-fuse that has mounted on it, for ordinary images and with snapshotter.driver "
      "= \"overlay\" Linux ",
      kOverlaySince.first, ".", kOverlaySince.second,
      ". Without, take \"remap-ids\" out of the capabilities of [proxy_plugins.stowage] in "
      "containerd's configuration: containerd then copies the files of the image to change their "
      "owners"));
}

}  // namespace

absl::StatusOr<UniqueFd> CloneWithIds(const std::string& directory, int user_namespace) {
  if (KernelVersionOf(KernelRelease()) < kOverlaySince)
    return Refusal(directory, "overlayfs of this kernel takes no such directory");
  UniqueFd clone(::open_tree(AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!clone) return absl::ErrnoToStatus(errno, absl::StrCat("clone the mount of ", directory));
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY;
  attributes.userns_fd = static_cast<uint64_t>(user_namespace);
  if (::mount_setattr(clone.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0)
    return clone;
  if (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)
    return Refusal(directory, std::strerror(errno));
  return absl::ErrnoToStatus(errno, absl::StrCat("map the ids of ", directory));
}

absl::Status CheckIdMapping(const std::string& state_directory,
                            const std::string& fuse_mountpoint) {
  const auto mounts = ReadFile("/proc/self/mountinfo");
  const bool fuse_mounted =
      mounts.ok() && IsMountedAs(ParseMountInfo(*mounts), fuse_mountpoint, "fuse");
  if (!fuse_mountpoint.empty() && KernelVersionOf(KernelRelease()) < kFuseSince)
    return Refusal(fuse_mountpoint, "FUSE of this kernel cannot");
  const absl::StatusOr<UniqueFd> user_namespace = MakeUserNamespace({"0:1:1", "0:1:1", 1, 1});
  if (absl::IsPermissionDenied(user_namespace.status())) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(user_namespace.status());
  for (const auto& [directory, there] :
       {std::pair(state_directory, DirectoryExists(state_directory)),
        std::pair(fuse_mountpoint, fuse_mounted)}) {
    if (!there) continue;
    const absl::Status status = CloneWithIds(directory, user_namespace->get()).status();
    if (!status.ok() && !absl::IsPermissionDenied(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace stowage
