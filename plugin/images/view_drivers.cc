#include "plugin/images/view_drivers.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/status_macros.h"

namespace stowage {

absl::StatusOr<std::unique_ptr<ViewDrivers>> ViewDrivers::Open(const ViewDriversOptions& options,
                                                               FuseViews& fuse,
                                                               LayerTable& layers) {
  std::unique_ptr<ViewDrivers> drivers(new ViewDrivers(options.choice, fuse, layers));
  const bool was_used = DirectoryExists(options.overlay.state_directory + "/overlay");
  if (options.choice == DriverChoice::kFuse && !was_used) {
    drivers->overlay_problem_ = absl::FailedPreconditionError("snapshotter.driver is \"fuse\"");
    return drivers;
  }
  auto overlay = OverlayViews::Open(options.overlay);
  if (overlay.ok()) {
    drivers->overlay_ = *std::move(overlay);
  } else if (options.choice == DriverChoice::kOverlay) {
    return absl::FailedPreconditionError(
        absl::StrCat("snapshotter.driver = \"overlay\": ", overlay.status().message(),
                     "; \"auto\" uses stowage-fuse where the kernel alone does not do"));
  } else {
    drivers->overlay_problem_ = overlay.status();
    if (options.choice == DriverChoice::kFuse)
      options.overlay.warn(
          absl::StrCat("snapshots that were made for the driver overlay cannot be mounted: ",
                       overlay.status().message()));
  }
  return drivers;
}

std::vector<ViewDriver> ViewDrivers::ForNewSnapshots() const {
  if (choice_ == DriverChoice::kFuse || overlay_ == nullptr) return {ViewDriver::kFuse};
  if (choice_ == DriverChoice::kOverlay) return {ViewDriver::kOverlay};
  return {ViewDriver::kOverlay, ViewDriver::kFuse};
}

std::string ViewDrivers::Reason() const {
  switch (choice_) {
    case DriverChoice::kFuse:
      return "configured";
    case DriverChoice::kOverlay:
      return "configured; the kernel was tried at start";
    case DriverChoice::kAuto:
      break;
  }
  if (overlay_ != nullptr) return "auto: the kernel was tried at start";
  return absl::StrCat("auto: the kernel alone does not do: ", overlay_problem_.message());
}

absl::StatusOr<std::string> ViewDrivers::Skeleton(absl::Span<const LayerRecord> run) {
  if (overlay_ == nullptr)
    return absl::FailedPreconditionError(
        absl::StrCat("the kernel alone, which this snapshot was made for, cannot show it: ",
                     overlay_problem_.message(),
                     "; put that right and restart stowaged, or make the container anew"));
  STOWAGE_ASSIGN_OR_RETURN(const int64_t number, fuse_.Number(run));
  return overlay_->Skeleton(number, [&]() -> absl::StatusOr<std::vector<std::string>> {
    std::vector<int64_t> ids;
    for (const LayerRecord& layer : run) ids.push_back(layer.id);
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, layers_.Objects(ids));
    std::vector<std::string> names;
    for (const ObjectRecord& object : objects) names.push_back(object.base_name);
    return names;
  });
}

absl::StatusOr<LowerDirectory> ViewDrivers::Show(absl::Span<const LayerRecord> run,
                                                 ViewDriver driver) {
  const bool overlay = driver == ViewDriver::kOverlay;
  STOWAGE_ASSIGN_OR_RETURN(std::string path, overlay ? Skeleton(run) : fuse_.Directory(run));
  return LowerDirectory{std::move(path), overlay};
}

absl::Status ViewDrivers::Prepare(absl::Span<const LayerRecord> run) {
  const std::vector<ViewDriver> drivers = ForNewSnapshots();
  if (drivers.front() == ViewDriver::kFuse) return fuse_.Write(run);
  const absl::Status made = Skeleton(run).status();
  // Where FUSE may be used instead, the mount tells why it is.
  return made.ok() || drivers.size() == 1 ? made : fuse_.Write(run);
}

absl::StatusOr<std::vector<std::string>> ViewDrivers::ArrangeForOverlay(
    std::vector<LowerDirectory> directories) {
  if (overlay_ == nullptr) return overlay_problem_;
  for (LowerDirectory& directory : directories)
    if (!directory.is_skeleton) directory.path = overlay_->Through(directory.path);
  return ArrangeLowers(directories, overlay_->layers(), [](const std::string& directory) {
    return ::faccessat(AT_FDCWD, (directory + "/nix").c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  });
}

absl::StatusOr<bool> ViewDrivers::RemoveUnneeded() {
  STOWAGE_ASSIGN_OR_RETURN(const bool fuse_left, fuse_.RemoveUnneeded());
  if (overlay_ == nullptr) return fuse_left;
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> mounts, fuse_.Mounts());
  STOWAGE_ASSIGN_OR_RETURN(const bool overlay_left,
                           overlay_->RemoveUnneeded([this] { return layers_.Views(); }, mounts));
  return fuse_left || overlay_left;
}

}  // namespace stowage
