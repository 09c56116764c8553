#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "fuse/nodeid.h"
#include "fuse/object_index.h"

namespace stowage {

// What stat(2) shows of a node. Owner 0:0, one link, and times of 1 s for everything from a store.
struct NodeAttributes {
  uint64_t nodeid = 0;
  mode_t mode = 0;  // type and permissions; 0: the type is not known, because the index is damaged
  uint64_t size_bytes = 0;
  timespec modified = {1, 0};
  // False in the mount's root, where views come and go; all else never changes.
  bool immutable = true;
};

inline NodeAttributes DirectoryAttributes(uint64_t nodeid) {
  NodeAttributes attributes;
  attributes.nodeid = nodeid;
  attributes.mode = S_IFDIR | 0555;
  return attributes;
}

// Modes as Nix gives them to everything in a store (Nix: libstore/posix-fs-canonicalise.cc).
inline NodeAttributes ObjectNodeAttributes(uint32_t view, uint32_t slot, uint64_t object_number,
                                           const ObjectEntry& entry) {
  NodeAttributes attributes = DirectoryAttributes(TreeNodeId(view, slot, entry.index));
  switch (entry.kind) {
    case EntryKind::kDirectory:
      break;
    case EntryKind::kSymlink:
      attributes.mode = S_IFLNK | 0777;
      attributes.size_bytes = entry.target.size();
      break;
    case EntryKind::kRegular:
    case EntryKind::kExecutable:
      attributes.nodeid = RegularFileNodeId(object_number, entry.index);
      attributes.mode = S_IFREG | (entry.kind == EntryKind::kExecutable ? 0555 : 0444);
      attributes.size_bytes = entry.size_bytes;
      break;
  }
  return attributes;
}

}  // namespace stowage
