#pragma once

#include <cstdint>

namespace stowage {

// Inode numbers of the FUSE mount. They are pure functions of numbers that are never reused, so a
// restarted worker knows every inode the kernel remembers, and `forget` means nothing.
//
//   regular file:          1 | object number (37 bits)               | entry (26 bits)
//   directory or symlink:  0 | view number (20 bits) | slot (17 bits) | entry (26 bits)
//
// A regular file is the same inode in every view: one page cache. A directory must be one inode per
// view, because the kernel allows a directory only one parent. Slot 0 of a view holds its synthetic
// directories; the view's store paths are slots 1, 2, ... View 0 has only the root of the mount.
inline constexpr int kEntryBits = 26;
inline constexpr int kSlotBits = 17;
inline constexpr int kViewBits = 20;
inline constexpr int kObjectBits = 37;

inline constexpr uint64_t kMaxEntries = uint64_t{1} << kEntryBits;  // of one object
inline constexpr uint64_t kMaxSlot = (uint64_t{1} << kSlotBits) - 1;
inline constexpr uint64_t kMaxViewNumber = (uint64_t{1} << kViewBits) - 1;
inline constexpr uint64_t kMaxObjectNumber = (uint64_t{1} << kObjectBits) - 1;

inline constexpr uint64_t kMountRootNodeId = 1;  // FUSE_ROOT_ID; view 0, slot 0, entry 1

// Entries of a view's slot 0.
enum SyntheticEntry : uint32_t { kViewRoot = 0, kViewNix = 1, kViewNixStore = 2 };

// What a nodeid names; of a regular file object and entry count, else view, slot and entry.
struct NodeAddress {
  bool is_regular_file = false;
  uint64_t object = 0;
  uint32_t view = 0;
  uint32_t slot = 0;
  uint32_t entry = 0;

  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

// Arguments must be in range (checked when files are written and opened).
constexpr uint64_t RegularFileNodeId(uint64_t object, uint32_t entry) {
  return uint64_t{1} << 63 | object << kEntryBits | entry;
}

constexpr uint64_t TreeNodeId(uint32_t view, uint32_t slot, uint32_t entry) {
  return uint64_t{view} << (kSlotBits + kEntryBits) | uint64_t{slot} << kEntryBits | entry;
}

constexpr NodeAddress ParseNodeId(uint64_t nodeid) {
  NodeAddress address;
  address.entry = static_cast<uint32_t>(nodeid & (kMaxEntries - 1));
  address.is_regular_file = nodeid >> 63 != 0;
  if (address.is_regular_file) {
    address.object = nodeid >> kEntryBits & kMaxObjectNumber;
  } else {
    address.slot = static_cast<uint32_t>(nodeid >> kEntryBits & kMaxSlot);
    address.view = static_cast<uint32_t>(nodeid >> (kSlotBits + kEntryBits));
  }
  return address;
}

}  // namespace stowage
