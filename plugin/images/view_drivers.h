#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "plugin/images/fuse_views.h"
#include "plugin/images/layer_table.h"
#include "plugin/overlay_redirect/overlay_views.h"
#include "plugin/snapshots/view_driver.h"

namespace stowage {

struct ViewDriversOptions {
  DriverChoice choice = DriverChoice::kFuse;
  OverlayViewsOptions overlay;
};

// How runs of store-path layers are shown: by stowage-fuse, or by the kernel alone where this node
// allows it. Thread-safe.
class ViewDrivers {
 public:
  // Tries the kernel's overlayfs where it may be used, or was: snapshots keep the driver they were
  // made with. Errors: for DriverChoice::kOverlay, FailedPrecondition with the reason why this
  // node's kernel or file systems do not do.
  static absl::StatusOr<std::unique_ptr<ViewDrivers>> Open(const ViewDriversOptions& options,
                                                           FuseViews& fuse, LayerTable& layers);

  // For a new snapshot, the preferred one first.
  std::vector<ViewDriver> ForNewSnapshots() const;
  // One line for people: why the preferred one is that.
  std::string Reason() const;

  // The directory that shows a run of layers (base first). Errors: as FuseViews::Directory and
  // OverlayViews::Skeleton; FailedPrecondition if overlayfs cannot be used any longer.
  absl::StatusOr<LowerDirectory> Show(absl::Span<const LayerRecord> run, ViewDriver driver);
  // Makes what the preferred driver needs to show it, before anything is mounted.
  absl::Status Prepare(absl::Span<const LayerRecord> run);

  // See RemoteLayers::ArrangeForOverlay.
  absl::StatusOr<std::vector<std::string>> ArrangeForOverlay(
      std::vector<LowerDirectory> directories);

  // As FuseViews::RemoveUnneeded, for both.
  absl::StatusOr<bool> RemoveUnneeded();

  // By which lower directories of overlayfs's own views are reached; "" if there can be none.
  std::string overlay_mountpoint() const {
    return overlay_ == nullptr ? "" : overlay_->mountpoint();
  }
  // The same directory by way of that mount, or "". path: in the state directory.
  std::string ThroughOverlay(absl::string_view path) const {
    return overlay_ == nullptr ? "" : overlay_->Through(path);
  }

 private:
  ViewDrivers(DriverChoice choice, FuseViews& fuse, LayerTable& layers)
      : choice_(choice), fuse_(fuse), layers_(layers) {}
  absl::StatusOr<std::string> Skeleton(absl::Span<const LayerRecord> run);

  const DriverChoice choice_;
  FuseViews& fuse_;
  LayerTable& layers_;
  std::unique_ptr<OverlayViews> overlay_;
  absl::Status overlay_problem_;  // not OK: overlay_ is null
};

}  // namespace stowage
