#pragma once

namespace stowage {

// Options that every overlay mount of this node needs.
struct OverlayFeatures {
  bool index_off = false;   // the kernel has the inode index: switch it off, lowers are shared
  bool user_xattr = false;  // user namespace: trusted.* attributes cannot be written

  friend bool operator==(const OverlayFeatures&, const OverlayFeatures&) = default;
};

// What the running kernel and this process's user namespace call for (as containerd's overlayfs
// snapshotter finds it out).
OverlayFeatures DetectOverlayFeatures();

}  // namespace stowage
