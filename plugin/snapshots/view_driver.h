#pragma once

#include <string>

namespace stowage {

// Which file system of the kernel shows layers of the Nix store. Numbers as in the database.
enum class ViewDriver { kFuse = 0, kOverlay = 1 };

// "fuse", "overlay".
inline const char* ViewDriverName(ViewDriver driver) {
  return driver == ViewDriver::kFuse ? "fuse" : "overlay";
}

// snapshotter.driver of the configuration.
enum class DriverChoice { kFuse, kOverlay, kAuto };

// A directory of overlayfs's lowerdir.
struct LowerDirectory {
  std::string path;
  bool is_skeleton = false;  // leads to the store by redirects (docs/overlay-redirect.md)
};

}  // namespace stowage
