#include "fuse/object_index.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/status_macros.h"
#include "fuse/nodeid.h"

namespace stowage {
namespace {

// Takes over a directory's children. False if they do not lie behind it and inside the index: the
// order makes every walk end.
bool TakeChildren(const ObjectIndexRecord& record, uint32_t entry_count, ObjectEntry* entry) {
  entry->first_child = static_cast<uint32_t>(record.value);
  entry->child_count = static_cast<uint32_t>(record.value >> 32);
  if (entry->child_count == 0) return record.value == 0;
  return entry->first_child > entry->index && entry->first_child < entry_count &&
         entry->child_count <= entry_count - entry->first_child;
}

}  // namespace

absl::StatusOr<ObjectIndex> ObjectIndex::Open(int directory_fd, const std::string& path,
                                              uint64_t object_number) {
  STOWAGE_ASSIGN_OR_RETURN(
      IndexFile file, IndexFile::Open(directory_fd, path, kObjectMagic, sizeof(ObjectIndexRecord),
                                      object_number, kMaxEntries));
  return ObjectIndex(std::move(file));
}

int ObjectIndex::ReadEntry(uint32_t index, ObjectEntry* entry) const {
  if (index >= entry_count()) return ESTALE;
  const absl::string_view bytes = file_.Record(index);
  ObjectIndexRecord record;
  std::memcpy(&record, bytes.data(), sizeof record);
  entry->index = index;
  entry->kind = static_cast<EntryKind>(record.kind);
  entry->parent = record.parent;
  entry->target = {};
  entry->size_bytes = 0;
  entry->first_child = entry->child_count = 0;
  if (record.kind > static_cast<uint8_t>(EntryKind::kSymlink)) return EIO;
  if (!file_.Text(record.name_offset, record.name_length, &entry->name)) return EIO;
  if (entry->kind == EntryKind::kSymlink &&
      !file_.Text(record.value, record.target_length, &entry->target))
    return EIO;
  if (record.crc != RecordCrc(index, bytes, entry->name, entry->target)) return EIO;
  // What follows no accident can break, only a writer with an error in it.
  if (!IsPlainName(entry->name) || (index == 0 ? record.parent != 0 : record.parent >= index))
    return EIO;
  if (entry->kind == EntryKind::kDirectory && !TakeChildren(record, entry_count(), entry))
    return EIO;
  if (entry->is_regular_file()) entry->size_bytes = record.value;
  return 0;
}

int ObjectIndex::FindChild(const ObjectEntry& directory, absl::string_view name,
                           ObjectEntry* child) const {
  if (directory.kind != EntryKind::kDirectory) return ENOTDIR;
  uint32_t begin = directory.first_child;
  uint32_t end = begin + directory.child_count;
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (const int error = ReadEntry(middle, child); error != 0) return error;
    const int order = child->name.compare(name);
    if (order == 0) return child->parent == directory.index ? 0 : EIO;
    if (order < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return ENOENT;
}

int ObjectIndex::PathOf(uint32_t index, std::string* path) const {
  std::vector<absl::string_view> names;
  for (ObjectEntry entry;; index = entry.parent) {
    if (const int error = ReadEntry(index, &entry); error != 0) return error;
    names.push_back(entry.name);
    if (index == 0) break;
  }
  path->clear();
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!path->empty()) path->push_back('/');
    path->append(name->data(), name->size());
  }
  return 0;
}

}  // namespace stowage
