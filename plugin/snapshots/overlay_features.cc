#include "plugin/snapshots/overlay_features.h"

#include <sys/mount.h>
#include <unistd.h>

#include "base/own_user_namespace.h"
#include "base/unique_fd.h"

namespace stowage {

OverlayFeatures DetectOverlayFeatures() {
  // Loads the module, whose parameters are not there before: it may be that nobody has mounted an
  // overlay since the machine was started. Not allowed to anybody but root, who needs it.
  const UniqueFd loaded(::fsopen("overlay", FSOPEN_CLOEXEC));
  OverlayFeatures features;
  features.index_off = ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
  features.user_xattr = InUserNamespace();
  return features;
}

}  // namespace stowage
