#include "plugin/overlay_redirect/redirect_probe.h"

#include <fcntl.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "plugin/overlay_redirect/detached_overlay.h"
#include "plugin/overlay_redirect/node_layers.h"
#include "plugin/overlay_redirect/skeleton.h"
#include "plugin/overlay_redirect/view_check.h"

namespace stowage {
namespace {

constexpr char kContent[] = "seen through a redirect";
constexpr char kAlwaysFollow[] = "/sys/module/overlay/parameters/redirect_always_follow";

absl::Status WriteStore(const std::string& parent) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(parent + "/store/path"));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(parent + "/store/foreign"));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(parent + "/var"));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, parent + "/store/path/file",
                                                       O_WRONLY | O_CREAT | O_EXCL, 0444));
  return WriteAll(file.get(), kContent, "the probe's file");
}

absl::Status MountAndRead(const std::string& directory, const std::vector<std::string>& options) {
  const std::string parent = directory + "/nix";
  STOWAGE_RETURN_IF_ERROR(WriteStore(parent));
  STOWAGE_ASSIGN_OR_RETURN(const std::string secret, MakeSecretName());
  STOWAGE_RETURN_IF_ERROR(WriteCap(directory + "/cap", secret));
  STOWAGE_RETURN_IF_ERROR(WriteMask(directory + "/mask", secret, parent, "store"));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store,
                           OpenAt(AT_FDCWD, parent + "/store", O_PATH | O_DIRECTORY));
  STOWAGE_RETURN_IF_ERROR(WriteSkeleton(store.get(), {"path"}, secret, directory + "/skeleton"));
  STOWAGE_ASSIGN_OR_RETURN(
      const UniqueFd view,
      MountDetachedOverlay(
          {directory + "/cap", directory + "/skeleton", directory + "/mask", parent}, options));
  STOWAGE_RETURN_IF_ERROR(CheckView(view.get(), store.get(), {"path"}));
  STOWAGE_ASSIGN_OR_RETURN(const std::string content,
                           ReadFileAt(view.get(), "nix/store/path/file", O_NOFOLLOW));
  if (content != kContent) return absl::DataLossError("the kernel shows other bytes in a file");
  for (const std::string& hidden : {"/" + secret, std::string("/var"), std::string("/store")}) {
    if (OpenAt(view.get(), hidden.substr(1), O_PATH).ok())
      return absl::DataLossError(absl::StrCat("the kernel shows ", hidden));
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const std::vector<std::string>& options) {
  if (std::find(options.begin(), options.end(), "userxattr") != options.end())
    return absl::FailedPreconditionError(
        "in a user namespace overlayfs follows no redirects: run stowaged as root of the host");
  return absl::OkStatus();
}

absl::Status CheckParameters() {
  // Whoever mounts with options of his own (BuildKit drops ours) would see empty store paths.
  STOWAGE_ASSIGN_OR_RETURN(const std::string always, ReadFile(kAlwaysFollow, 100));
  if (absl::StartsWith(always, "N"))
    return absl::FailedPreconditionError(absl::StrCat(kAlwaysFollow,
                                                      " is N: set it, or the kernel's parameter "
                                                      "overlay.redirect_always_follow, to Y"));
  return absl::OkStatus();
}

}  // namespace

absl::Status ProbeRedirects(const std::string& directory, const std::vector<std::string>& options) {
  STOWAGE_RETURN_IF_ERROR(CheckOptions(options));
  const absl::Status shown = MountAndRead(directory, options);
  STOWAGE_FAULT_POINT("overlay.probe.read");
  const absl::Status removed = RemoveTree(directory);
  if (!shown.ok())
    return absl::FailedPreconditionError(
        absl::StrCat("a test mount in ", directory, " failed: ", shown.message()));
  STOWAGE_RETURN_IF_ERROR(removed);
  return CheckParameters();  // the kernel has loaded the module by now
}

}  // namespace stowage
