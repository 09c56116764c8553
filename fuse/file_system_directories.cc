// Reading directories. Offsets: 0 is before ".", 1 before "..", 2 + i before child i; in the
// mount's root i is the view's number - 1, so that a view which comes or goes moves no other.

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuse/file_system.h"

namespace stowage {
namespace {

constexpr uint64_t kFirstChildOffset = 2;

// "." and ".." where they are still to come. False: visit has had enough.
bool VisitDots(uint64_t self, uint64_t parent, uint64_t offset, FileSystem::Visitor visit) {
  DirectoryEntry entry;
  if (offset == 0) {
    entry.name = ".";
    entry.attributes = DirectoryAttributes(self);
    entry.next_offset = 1;
    if (!visit(entry)) return false;
  }
  if (offset <= 1) {
    entry.name = "..";
    entry.attributes = DirectoryAttributes(parent);
    entry.next_offset = kFirstChildOffset;
    if (!visit(entry)) return false;
  }
  return true;
}

uint64_t FirstChild(uint64_t offset) {
  return offset < kFirstChildOffset ? 0 : offset - kFirstChildOffset;
}

// What can be said of a child that cannot be read: its name, and a number to show.
DirectoryEntry UnreadableEntry(absl::string_view name, uint64_t nodeid, uint64_t next_offset) {
  DirectoryEntry entry;
  entry.name = name;
  entry.attributes.nodeid = nodeid;
  entry.next_offset = next_offset;
  return entry;
}

}  // namespace

int FileSystem::ReadDirectory(uint64_t directory, uint64_t offset, Visitor visit,
                              uint64_t* promised) {
  if (directory == kMountRootNodeId) return ReadRoot(offset, visit);
  const NodeAddress address = ParseNodeId(directory);
  if (address.is_regular_file) return ENOTDIR;
  if (address.slot != 0) return ReadObjectDirectory(address, offset, visit, promised);
  if (address.entry == kViewNixStore) return ReadStoreDirectory(address.view, offset, visit);
  return ReadSynthetic(address, offset, visit);
}

int FileSystem::ReadRoot(uint64_t offset, Visitor visit) {
  std::vector<uint64_t> numbers;
  if (const int error = indexes_->ListViews(&numbers); error != 0) return error;
  if (!VisitDots(kMountRootNodeId, kMountRootNodeId, offset, visit)) return 0;
  for (const uint64_t number : numbers) {
    if (number - 1 < FirstChild(offset)) continue;
    const std::string name = absl::StrCat(number);
    DirectoryEntry entry;
    entry.name = name;
    entry.attributes = DirectoryAttributes(TreeNodeId(static_cast<uint32_t>(number), 0, kViewRoot));
    entry.next_offset = kFirstChildOffset + number;
    if (!visit(entry)) return 0;  // not complete: a listing must not map every view
  }
  return 0;
}

int FileSystem::ReadSynthetic(const NodeAddress& directory, uint64_t offset, Visitor visit) {
  std::shared_ptr<const ViewIndex> view;
  if (const int error = indexes_->View(directory.view, &view); error != 0) return error;
  if (directory.entry > kViewNix) return ESTALE;
  const bool is_root = directory.entry == kViewRoot;
  const uint64_t self = TreeNodeId(directory.view, 0, directory.entry);
  const uint64_t parent =
      is_root ? kMountRootNodeId : TreeNodeId(directory.view, 0, directory.entry - 1);
  if (!VisitDots(self, parent, offset, visit) || FirstChild(offset) > 0) return 0;
  DirectoryEntry entry;
  entry.name = is_root ? "nix" : "store";
  entry.attributes = DirectoryAttributes(TreeNodeId(directory.view, 0, directory.entry + 1));
  entry.next_offset = kFirstChildOffset + 1;
  entry.complete = true;
  (void)visit(entry);  // the last one
  return 0;
}

int FileSystem::ReadStoreDirectory(uint32_t view_number, uint64_t offset, Visitor visit) {
  std::shared_ptr<const ViewIndex> view;
  if (const int error = indexes_->View(view_number, &view); error != 0) return error;
  if (!VisitDots(TreeNodeId(view_number, 0, kViewNixStore), TreeNodeId(view_number, 0, kViewNix),
                 offset, visit))
    return 0;
  for (uint64_t i = FirstChild(offset); i < view->slot_count(); ++i) {
    ViewEntry slot;
    const int error = CheckView(*view, view->ReadSlot(static_cast<uint32_t>(i + 1), &slot));
    if (error != 0) return error;
    const uint64_t next_offset = kFirstChildOffset + i + 1;
    DirectoryEntry entry =
        UnreadableEntry(slot.name, TreeNodeId(view_number, slot.slot, 0), next_offset);
    // A damaged object must not hide its neighbours: it is listed, and EIO comes from touching it.
    // A promised one is not fetched to be listed.
    NodeAttributes attributes;
    if (SlotAttributes(view_number, slot, &attributes) == 0) {
      entry.attributes = attributes;
      entry.complete = true;
    }
    if (!visit(entry)) return 0;
  }
  return 0;
}

int FileSystem::ReadObjectDirectory(const NodeAddress& directory, uint64_t offset, Visitor visit,
                                    uint64_t* promised) {
  ObjectNode node;
  if (const int error = Resolve(directory, &node, promised); error != 0) return error;
  if (node.entry.kind != EntryKind::kDirectory) return ENOTDIR;
  const uint64_t self = TreeNodeId(directory.view, directory.slot, directory.entry);
  const uint64_t parent = directory.entry == 0
                              ? TreeNodeId(directory.view, 0, kViewNixStore)
                              : TreeNodeId(directory.view, directory.slot, node.entry.parent);
  if (!VisitDots(self, parent, offset, visit)) return 0;
  for (uint64_t i = FirstChild(offset); i < node.entry.child_count; ++i) {
    ObjectEntry child;
    const int error = CheckObject(
        *node.object,
        node.object->ReadEntry(node.entry.first_child + static_cast<uint32_t>(i), &child));
    if (error != 0) return error;
    DirectoryEntry entry;
    entry.name = child.name;
    entry.attributes =
        ObjectNodeAttributes(directory.view, directory.slot, node.object->object_number(), child);
    entry.next_offset = kFirstChildOffset + i + 1;
    entry.complete = true;
    if (!visit(entry)) return 0;
  }
  return 0;
}

}  // namespace stowage
