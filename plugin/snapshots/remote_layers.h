#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "plugin/snapshots/view_driver.h"

namespace stowage {

// What the snapshotter asks about layers that exist in the Nix store. Layers are named by their row
// id in the state database. All methods are thread-safe and take milliseconds: they never run Nix,
// hash or touch the network.
class RemoteLayers {
 public:
  virtual ~RemoteLayers() = default;

  // The layers (base first) that a committed snapshot with containerd.io/snapshot.ref = chain_id
  // adds to its parent: all of the chain when there is no parent, only the top layer when
  // parent_chain_id is the chain below it. Errors: NotFound if this daemon did not register that
  // pair or its store paths are not valid any longer; the caller then makes an ordinary snapshot.
  virtual absl::StatusOr<std::vector<int64_t>> FindChain(
      const Digest& chain_id, const std::optional<Digest>& parent_chain_id) = 0;

  // How a new snapshot may show layers, the preferred way first; never empty.
  virtual std::vector<ViewDriver> Drivers() = 0;

  // Directories for overlayfs's lowerdir, TOP FIRST, that together show these layers (given base
  // first). Profile layers are directories, each run of store-path layers one view of the FUSE
  // mount or one skeleton. Errors: FailedPrecondition if the driver is not there (the message says
  // what to do), NotFound/DataLoss if a layer's files are gone.
  virtual absl::StatusOr<std::vector<LowerDirectory>> LowerDirectories(
      absl::Span<const int64_t> layers, ViewDriver driver) = 0;

  // All of lowerdir, top first, for a mount by ViewDriver::kOverlay, of ordinary directories and
  // skeletons in the order of the image, top first. Needs the mount option redirect_dir=follow.
  virtual absl::StatusOr<std::vector<std::string>> ArrangeForOverlay(
      std::vector<LowerDirectory> directories) = 0;

  // Tells that snapshot rows which held layers are gone, so that GC roots nobody needs can be
  // dropped. Returns at once.
  virtual void SnapshotsRemoved() = 0;
};

}  // namespace stowage
