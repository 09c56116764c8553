#include "fuse/file_system.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace stowage {

int FileSystem::CheckObject(const ObjectIndex& object, int error) {
  if (error == EIO)
    faults_->Report(FaultLog::Kind::kObject, object.object_number(), "index_damaged",
                    "error=\"a record does not match its checksum\"");
  return error;
}

int FileSystem::CheckView(const ViewIndex& view, int error) {
  if (error == EIO)
    faults_->Report(FaultLog::Kind::kView, view.view_number(), "index_damaged",
                    "error=\"a record does not match its checksum\"");
  return error;
}

int FileSystem::Resolve(const NodeAddress& address, ObjectNode* node, uint64_t* promised) {
  uint64_t object_number = address.object;
  if (!address.is_regular_file) {
    std::shared_ptr<const ViewIndex> view;
    ViewEntry slot;
    if (const int error = indexes_->View(address.view, &view); error != 0) return error;
    if (const int error = CheckView(*view, view->ReadSlot(address.slot, &slot)); error != 0)
      return error;
    object_number = slot.object_number;
  }
  if (const int error = indexes_->Object(object_number, &node->object); error != 0) {
    if (promised != nullptr) *promised = object_number;
    return error;
  }
  const int error =
      CheckObject(*node->object, node->object->ReadEntry(address.entry, &node->entry));
  if (error != 0) return error;
  // A nodeid of the other form never came from us: the index was replaced below us.
  return node->entry.is_regular_file() == address.is_regular_file ? 0 : ESTALE;
}

int FileSystem::RootAttributes(NodeAttributes* attributes) {
  *attributes = DirectoryAttributes(kMountRootNodeId);
  attributes->immutable = false;
  // The kernel drops its cached listing of the root when this time changes.
  return indexes_->ViewsChangedAt(&attributes->modified);
}

int FileSystem::GetAttributes(uint64_t nodeid, NodeAttributes* attributes, uint64_t* promised) {
  if (nodeid == kMountRootNodeId) return RootAttributes(attributes);
  const NodeAddress address = ParseNodeId(nodeid);
  if (!address.is_regular_file && address.slot == 0) {
    if (address.entry > kViewNixStore) return ESTALE;
    std::shared_ptr<const ViewIndex> view;
    *attributes = DirectoryAttributes(nodeid);
    return indexes_->View(address.view, &view);
  }
  ObjectNode node;
  if (const int error = Resolve(address, &node, promised); error != 0) return error;
  *attributes =
      ObjectNodeAttributes(address.view, address.slot, node.object->object_number(), node.entry);
  return 0;
}

int FileSystem::Lookup(uint64_t directory, absl::string_view name, NodeAttributes* attributes,
                       uint64_t* promised) {
  if (directory == kMountRootNodeId) return LookupView(name, attributes);
  const NodeAddress address = ParseNodeId(directory);
  if (!address.is_regular_file && address.slot == 0)
    return LookupSynthetic(address, name, attributes, promised);
  ObjectNode node;
  if (const int error = Resolve(address, &node, promised); error != 0) return error;
  ObjectEntry child;
  const int error = CheckObject(*node.object, node.object->FindChild(node.entry, name, &child));
  if (error != 0) return error;
  *attributes =
      ObjectNodeAttributes(address.view, address.slot, node.object->object_number(), child);
  return 0;
}

int FileSystem::LookupView(absl::string_view name, NodeAttributes* attributes) {
  const uint64_t number = ParseFileNumber(name, kMaxViewNumber);
  if (number == 0) return ENOENT;
  if (const int error = indexes_->FindView(number); error != 0) return error;
  std::shared_ptr<const ViewIndex> view;
  if (const int error = indexes_->View(number, &view); error != 0) return error;
  *attributes = DirectoryAttributes(TreeNodeId(static_cast<uint32_t>(number), 0, kViewRoot));
  attributes->immutable = false;
  return 0;
}

int FileSystem::LookupSynthetic(const NodeAddress& directory, absl::string_view name,
                                NodeAttributes* attributes, uint64_t* promised) {
  std::shared_ptr<const ViewIndex> view;
  if (const int error = indexes_->View(directory.view, &view); error != 0) return error;
  switch (directory.entry) {
    case kViewRoot:
      if (name != "nix") return ENOENT;
      *attributes = DirectoryAttributes(TreeNodeId(directory.view, 0, kViewNix));
      return 0;
    case kViewNix:
      if (name != "store") return ENOENT;
      *attributes = DirectoryAttributes(TreeNodeId(directory.view, 0, kViewNixStore));
      return 0;
    case kViewNixStore: {
      ViewEntry slot;
      if (const int error = CheckView(*view, view->FindName(name, &slot)); error != 0) return error;
      if (promised != nullptr) *promised = slot.object_number;
      return SlotAttributes(directory.view, slot, attributes);
    }
    default:
      return ESTALE;
  }
}

int FileSystem::SlotAttributes(uint32_t view, const ViewEntry& slot, NodeAttributes* attributes) {
  std::shared_ptr<const ObjectIndex> object;
  ObjectEntry entry;
  // The name is there, so a missing object is damage and not ESTALE, which would make the kernel
  // look the name up again.
  if (const int error = indexes_->Object(slot.object_number, &object); error != 0)
    return error == EAGAIN ? EAGAIN : EIO;
  if (CheckObject(*object, object->ReadEntry(0, &entry)) != 0) return EIO;
  *attributes = ObjectNodeAttributes(view, slot.slot, slot.object_number, entry);
  return 0;
}

int FileSystem::ReadLink(uint64_t nodeid, std::string* target, uint64_t* promised) {
  const NodeAddress address = ParseNodeId(nodeid);
  if (address.is_regular_file || address.slot == 0) return EINVAL;
  ObjectNode node;
  if (const int error = Resolve(address, &node, promised); error != 0) return error;
  if (node.entry.kind != EntryKind::kSymlink) return EINVAL;
  target->assign(node.entry.target.data(), node.entry.target.size());
  return 0;
}

int FileSystem::OpenFile(uint64_t nodeid, OpenedFile* file, uint64_t* promised) {
  const NodeAddress address = ParseNodeId(nodeid);
  if (!address.is_regular_file) return EISDIR;
  ObjectNode node;
  if (const int error = Resolve(address, &node, promised); error != 0) return error;
  file->size_bytes = node.entry.size_bytes;
  return CheckObject(*node.object, files_->Open(*node.object, node.entry, &file->file));
}

void FileSystem::ReportUnreadable(uint64_t nodeid, int error) {
  const NodeAddress address = ParseNodeId(nodeid);
  ObjectNode node;
  std::string path;
  if (Resolve(address, &node, nullptr) != 0 || node.object->PathOf(address.entry, &path) != 0)
    return;
  faults_->Report(FaultLog::Kind::kObject, address.object, "store_file_unreadable",
                  absl::StrCat("error=\"read ", path, " in the store: ", std::strerror(error),
                               "; nix-store --verify --check-contents --repair may mend it\""));
}

int FileSystem::Open(uint64_t nodeid, int32_t* backing_id, uint64_t* promised) {
  if (backing_ == nullptr) return ENOSYS;
  const NodeAddress address = ParseNodeId(nodeid);
  if (!address.is_regular_file) return EISDIR;
  ObjectNode node;
  if (const int error = Resolve(address, &node, promised); error != 0) return error;
  const auto open_file = [&](UniqueFd* fd) {
    return CheckObject(*node.object, files_->OpenOnce(*node.object, node.entry, fd));
  };
  return backing_->Open(nodeid, open_file, backing_id);
}

void FileSystem::Close(uint64_t nodeid) {
  if (backing_ != nullptr) backing_->Close(nodeid);
}

}  // namespace stowage
