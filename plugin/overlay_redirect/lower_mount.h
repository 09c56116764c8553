#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mount_info.h"

namespace stowage {

// A directory by its file system: which one, and the path from that file system's own root.
struct FileSystemPlace {
  std::string device;  // "major:minor"
  std::string path;    // "/", "/nix"
};

// Which mount shows two directories of one file system.
struct LowerMountPlan {
  MountInfo source;
  std::string state_path;         // of the first directory below the mount: "" or "/..."
  std::string store_parent_path;  // of the second one
};

// Mounts of `mounts` that show both directories, the narrowest first.
//
// Errors: FailedPrecondition if the directories are on different file systems, if one lies in the
// other (overlayfs refuses overlapping lower directories), or if no mount shows both. Pure.
absl::StatusOr<std::vector<LowerMountPlan>> PlanLowerMount(const std::vector<MountInfo>& mounts,
                                                           const FileSystemPlace& state,
                                                           const FileSystemPlace& store_parent);

// A private, read-only mount of the file system that holds both our state and the Nix store, with
// nothing mounted below it.
//
// Every lower directory of an overlay is reached through it. containerd from 2.0.7 on maps the ids
// of all lower directories by one clone of the directory that they have in common (core/mount,
// getCommonDirectory): that must not be "/", and other mounts below it are not seen or make the
// clone fail. It also shows what lies below other mounts: whether the store is where /nix is.
// Stays mounted when this process ends, since containerd mounts by its path.
class LowerMount {
 public:
  // Mounts <directory>/lower, or takes over what an earlier call has mounted there, also in another
  // process. directory: ours alone; made with mode 0700, because the mount goes around the
  // permissions of directories above its source.
  // store_parent: "/nix" for a store in /nix/store.
  // Errors: as PlanLowerMount; Unimplemented on kernels without mount_setattr(2) (before 5.12);
  // PermissionDenied without CAP_SYS_ADMIN; else the system's.
  static absl::StatusOr<LowerMount> Open(const std::string& directory,
                                         const std::string& state_directory,
                                         const std::string& store_parent);

  // Unmounts whatever is at <directory>/lower. Mounts that were made from it are not affected.
  static absl::Status Unmount(const std::string& directory);

  const std::string& mountpoint() const { return mountpoint_; }
  const std::string& store_parent() const { return store_parent_; }
  // The same file by way of the mount. path: the state directory, or below it.
  std::string Through(absl::string_view path) const;

 private:
  LowerMount(std::string mountpoint, std::string state_directory, const LowerMountPlan& plan);

  std::string mountpoint_;
  std::string state_directory_;  // as its owner calls it
  std::string state_;            // through the mount
  std::string store_parent_;     // through the mount
};

}  // namespace stowage
