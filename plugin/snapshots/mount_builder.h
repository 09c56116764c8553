#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plugin/snapshots/overlay_features.h"
#include "plugin/snapshots/snapshot.h"

namespace stowage {

// What a mount is made of. Paths are ours: absolute, without colons, commas or backslashes.
struct MountParts {
  SnapshotKind kind = SnapshotKind::kActive;   // active or view
  std::string upper_directory;                 // used by all but views with lowers
  std::string work_directory;                  // used by active snapshots with lowers
  std::vector<std::string> lower_directories;  // top first
  bool redirects = false;                      // some lower directory leads elsewhere by redirects
};

// Options of every overlay mount, without directories. redirects: as in MountParts.
std::vector<std::string> OverlayMountOptions(const OverlayFeatures& features, bool redirects);

// The one mount of a snapshot, in the forms of containerd's overlayfs snapshotter: a bind of the
// snapshot's own directory when nothing is below, a read-only bind of the lower of a view with one
// (overlayfs refuses a single lower without an upper), else an overlay.
//
// Errors: ResourceExhausted if overlayfs would not take that many or so long directories: mount(2)
// cuts longer options silently. What containerd saves by shortening lowerdir is counted in. Pure.
absl::StatusOr<std::vector<Mount>> BuildMounts(const MountParts& parts,
                                               const OverlayFeatures& features);

}  // namespace stowage
