#include "fuse/view_index.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/status_macros.h"
#include "fuse/nodeid.h"

namespace stowage {

absl::StatusOr<ViewIndex> ViewIndex::Open(int directory_fd, const std::string& path,
                                          uint64_t view_number) {
  STOWAGE_ASSIGN_OR_RETURN(
      IndexFile file,
      IndexFile::Open(directory_fd, path, kViewMagic, sizeof(ViewRecord), view_number, kMaxSlot));
  return ViewIndex(std::move(file));
}

int ViewIndex::ReadSlot(uint32_t slot, ViewEntry* entry) const {
  if (slot < 1 || slot > slot_count()) return ESTALE;
  const absl::string_view bytes = file_.Record(slot - 1);
  ViewRecord record;
  std::memcpy(&record, bytes.data(), sizeof record);
  entry->slot = slot;
  entry->object_number = record.object_number;
  if (!file_.Text(record.name_offset, record.name_length, &entry->name)) return EIO;
  if (record.crc != RecordCrc(slot - 1, bytes, entry->name, {})) return EIO;
  // What follows no accident can break, only a writer with an error in it.
  if (!IsPlainName(entry->name)) return EIO;
  if (record.object_number < 1 || record.object_number > kMaxObjectNumber) return EIO;
  return 0;
}

int ViewIndex::FindName(absl::string_view name, ViewEntry* entry) const {
  uint32_t begin = 1;
  uint32_t end = slot_count() + 1;
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (const int error = ReadSlot(middle, entry); error != 0) return error;
    const int order = entry->name.compare(name);
    if (order == 0) return 0;
    if (order < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return ENOENT;
}

}  // namespace stowage
