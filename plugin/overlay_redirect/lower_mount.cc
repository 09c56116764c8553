#include "plugin/overlay_redirect/lower_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

absl::StatusOr<std::vector<MountInfo>> ReadMounts() {
  STOWAGE_ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/self/mountinfo"));
  return ParseMountInfo(text);
}

// What of `path` lies below `directory`: "", "/a/b"; nullopt if it does not.
std::optional<std::string> Below(absl::string_view path, absl::string_view directory) {
  if (directory == "/") directory = "";
  if (path == "/") path = "";
  if (!absl::StartsWith(path, directory)) return std::nullopt;
  const absl::string_view rest = path.substr(directory.size());
  if (!rest.empty() && rest[0] != '/') return std::nullopt;
  return std::string(rest);
}

absl::StatusOr<uint64_t> MountId(int fd, const std::string& shown) {
  struct statx status;
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("statx ", shown));
  if ((status.stx_mask & STATX_MNT_ID) == 0)
    return absl::UnimplementedError("the kernel tells no mount ids by statx(2); 5.8 and later do");
  return status.stx_mnt_id;
}

absl::StatusOr<FileSystemPlace> PlaceOf(const std::vector<MountInfo>& mounts,
                                        const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_PATH | O_DIRECTORY));
  STOWAGE_ASSIGN_OR_RETURN(const std::string real,
                           ReadLinkAt(AT_FDCWD, absl::StrCat("/proc/self/fd/", fd.get())));
  STOWAGE_ASSIGN_OR_RETURN(const uint64_t id, MountId(fd.get(), path));
  for (const MountInfo& mount : mounts) {
    if (mount.id != id) continue;
    const auto below = Below(real, mount.mountpoint);
    if (!below.has_value()) break;
    const std::string from_root = absl::StrCat(mount.root == "/" ? "" : mount.root, *below);
    return FileSystemPlace{mount.device, from_root.empty() ? "/" : from_root};
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the mount that holds ", path, " is not in /proc/self/mountinfo (is this a chroot?)"));
}

absl::Status SetAttributes(int directory_fd, const std::string& path, int flags, uint64_t set,
                           const std::string& shown) {
  mount_attr attributes = {};
  attributes.attr_set = set;
  attributes.propagation = MS_PRIVATE;
  if (::mount_setattr(directory_fd, path.c_str(), static_cast<unsigned>(flags), &attributes,
                      sizeof attributes) == 0)
    return absl::OkStatus();
  if (errno == ENOSYS)
    return absl::UnimplementedError("the kernel has no mount_setattr(2); 5.12 and later do");
  return absl::ErrnoToStatus(errno, absl::StrCat("mount_setattr ", shown));
}

// A shared mount above makes shared what is placed on it.
absl::Status MakePrivate(const std::string& mountpoint) {
  return SetAttributes(AT_FDCWD, mountpoint, 0, 0, mountpoint);
}

// False if something else is mounted where `source` says, so that it cannot be reached by path.
absl::StatusOr<bool> MountClone(const MountInfo& source, const std::string& mountpoint) {
  const auto fd = OpenAt(AT_FDCWD, source.mountpoint, O_PATH);
  if (!fd.ok()) return false;
  STOWAGE_ASSIGN_OR_RETURN(const uint64_t id, MountId(fd->get(), source.mountpoint));
  if (id != source.id) return false;
  // Without AT_RECURSIVE: what is mounted on top stays away.
  const UniqueFd clone(
      ::open_tree(fd->get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!clone.valid())
    return absl::ErrnoToStatus(errno, absl::StrCat("clone the mount ", source.mountpoint));
  // Private before it has a place, or later mounts at the source would come here as well.
  STOWAGE_RETURN_IF_ERROR(SetAttributes(clone.get(), "", AT_EMPTY_PATH,
                                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                                        source.mountpoint));
  if (::move_mount(clone.get(), "", AT_FDCWD, mountpoint.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return absl::ErrnoToStatus(
        errno, absl::StrCat("mount the file system of ", source.mountpoint, " at ", mountpoint));
  STOWAGE_FAULT_POINT("overlay.lower.mounted");
  STOWAGE_RETURN_IF_ERROR(MakePrivate(mountpoint));
  return true;
}

// Whether exactly this is mounted there, and nothing below.
bool IsMounted(const std::vector<MountInfo>& mounts, const MountInfo& source,
               const std::string& mountpoint) {
  int right = 0;
  int wrong = 0;
  for (const MountInfo& mount : mounts) {
    if (!Below(mount.mountpoint, mountpoint).has_value()) continue;
    const bool is_right = mount.mountpoint == mountpoint && mount.device == source.device &&
                          mount.root == source.root;
    ++(is_right ? right : wrong);
  }
  return right == 1 && wrong == 0;
}

std::string MountpointIn(const std::string& directory) { return directory + "/lower"; }

}  // namespace

absl::StatusOr<std::vector<LowerMountPlan>> PlanLowerMount(const std::vector<MountInfo>& mounts,
                                                           const FileSystemPlace& state,
                                                           const FileSystemPlace& store_parent) {
  if (state.device != store_parent.device)
    return absl::FailedPreconditionError(absl::StrCat(
        "the state directory (device ", state.device, ") and the parent of the store (device ",
        store_parent.device, ") are on different file systems: put paths.state on the store's"));
  if (Below(state.path, store_parent.path) || Below(store_parent.path, state.path))
    return absl::FailedPreconditionError(
        absl::StrCat("the state directory and the parent of the store lie in each other (",
                     state.path, ", ", store_parent.path,
                     " on their file system), and overlayfs takes no overlapping directories"));
  std::vector<LowerMountPlan> plans;
  for (const MountInfo& mount : mounts) {
    if (mount.device != state.device) continue;
    const auto state_path = Below(state.path, mount.root);
    const auto store_path = Below(store_parent.path, mount.root);
    if (state_path && store_path) plans.push_back({mount, *state_path, *store_path});
  }
  if (plans.empty())
    return absl::FailedPreconditionError(
        absl::StrCat("no mount shows both the state directory and the parent of the store (",
                     state.path, " and ", store_parent.path, " on device ", state.device,
                     "): mount a directory of that file system that holds both"));
  std::stable_sort(plans.begin(), plans.end(), [](const auto& a, const auto& b) {
    return a.source.root.size() > b.source.root.size();
  });
  return plans;
}

LowerMount::LowerMount(std::string mountpoint, std::string state_directory,
                       const LowerMountPlan& plan)
    : mountpoint_(std::move(mountpoint)),
      state_directory_(std::move(state_directory)),
      state_(mountpoint_ + plan.state_path),
      store_parent_(mountpoint_ + plan.store_parent_path) {}

absl::StatusOr<LowerMount> LowerMount::Open(const std::string& directory,
                                            const std::string& state_directory,
                                            const std::string& store_parent) {
  STOWAGE_ASSIGN_OR_RETURN(std::vector<MountInfo> mounts, ReadMounts());
  STOWAGE_ASSIGN_OR_RETURN(const FileSystemPlace state, PlaceOf(mounts, state_directory));
  STOWAGE_ASSIGN_OR_RETURN(const FileSystemPlace store, PlaceOf(mounts, store_parent));
  const std::string mountpoint = MountpointIn(directory);
  // A clone that an earlier call has made is no source.
  mounts.erase(
      std::remove_if(mounts.begin(), mounts.end(),
                     [&](const MountInfo& mount) { return mount.mountpoint == mountpoint; }),
      mounts.end());
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LowerMountPlan> plans,
                           PlanLowerMount(mounts, state, store));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(directory));
  // What is mounted in it goes around the modes of all directories above the store.
  if (::chmod(directory.c_str(), 0700) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("chmod 0700 ", directory));
  STOWAGE_ASSIGN_OR_RETURN(mounts, ReadMounts());
  for (const LowerMountPlan& plan : plans) {
    if (!IsMounted(mounts, plan.source, mountpoint)) continue;
    // Whoever placed it may have been killed before that.
    STOWAGE_RETURN_IF_ERROR(MakePrivate(mountpoint));
    return LowerMount(mountpoint, state_directory, plan);
  }
  STOWAGE_RETURN_IF_ERROR(Unmount(directory));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(mountpoint, 0700));
  for (const LowerMountPlan& plan : plans) {
    STOWAGE_ASSIGN_OR_RETURN(const bool mounted, MountClone(plan.source, mountpoint));
    if (mounted) return LowerMount(mountpoint, state_directory, plan);
  }
  return absl::FailedPreconditionError(absl::StrCat("every mount that shows both ", state_directory,
                                                    " and ", store_parent,
                                                    " is hidden below another one"));
}

absl::Status LowerMount::Unmount(const std::string& directory) {
  const std::string mountpoint = MountpointIn(directory);
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> mounts, ReadMounts());
    const bool mounted = std::any_of(mounts.begin(), mounts.end(), [&](const MountInfo& mount) {
      return mount.mountpoint == mountpoint;
    });
    if (!mounted) return absl::OkStatus();
    if (::umount2(mountpoint.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("unmount ", mountpoint));
  }
}

std::string LowerMount::Through(absl::string_view path) const {
  return absl::StrCat(state_, Below(path, state_directory_).value_or(std::string(path)));
}

}  // namespace stowage
