#include "fuse/index_writer.h"

#include <limits.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "fuse/index_file.h"
#include "fuse/nodeid.h"
#include "fuse/object_index_builder.h"

namespace stowage {
namespace {

template <typename Record>
absl::string_view BytesOf(const std::vector<Record>& records) {
  return absl::string_view(reinterpret_cast<const char*>(records.data()),
                           records.size() * sizeof(Record));
}

bool IsDirectoryEntryName(absl::string_view name) {
  return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
         name.find('/') == absl::string_view::npos && name.find('\0') == absl::string_view::npos;
}

absl::Status CheckSlots(absl::Span<const ViewSlot> slots) {
  if (slots.size() > kMaxSlot)
    return absl::InvalidArgumentError(
        absl::StrCat(slots.size(), " store paths, a view holds at most ", kMaxSlot));
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!IsDirectoryEntryName(slots[i].base_name))
      return absl::InvalidArgumentError(
          absl::StrCat("'", slots[i].base_name, "' cannot be a name in a directory"));
    if (i > 0 && slots[i - 1].base_name >= slots[i].base_name)
      return absl::InvalidArgumentError(
          absl::StrCat(slots[i].base_name, " is not sorted behind ", slots[i - 1].base_name));
    if (slots[i].object_number < 1 || slots[i].object_number > kMaxObjectNumber)
      return absl::InvalidArgumentError(absl::StrCat(slots[i].base_name, ": object number ",
                                                     slots[i].object_number, " out of range"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ObjectIndexSummary> WriteObjectIndex(int store_directory_fd,
                                                    const std::string& base_name,
                                                    uint64_t object_number,
                                                    const std::string& output_path) {
  if (object_number < 1 || object_number > kMaxObjectNumber)
    return absl::InvalidArgumentError(
        absl::StrCat("index ", base_name, ": object number ", object_number, " out of range"));
  ObjectIndexBuilder builder;
  STOWAGE_RETURN_IF_ERROR(builder.Walk(store_directory_fd, base_name));
  IndexHeader header{};
  header.magic = kObjectMagic;
  header.record_size = sizeof(ObjectIndexRecord);
  header.number = object_number;
  header.file_bytes = builder.file_bytes();
  STOWAGE_RETURN_IF_ERROR(
      WriteIndexFile(header, BytesOf(builder.records()), builder.text(), output_path));
  return ObjectIndexSummary{builder.records().size(), builder.file_bytes()};
}

absl::Status WriteView(uint64_t view_number, absl::Span<const ViewSlot> slots,
                       const std::string& output_path) {
  if (view_number < 1 || view_number > kMaxViewNumber)
    return absl::InvalidArgumentError(absl::StrCat("view number ", view_number, " out of range"));
  if (const absl::Status bad = CheckSlots(slots); !bad.ok())
    return absl::Status(bad.code(), absl::StrCat("write view ", view_number, ": ", bad.message()));
  std::vector<ViewRecord> records;
  records.reserve(slots.size());
  std::string text;
  for (const ViewSlot& slot : slots) {
    ViewRecord record{};
    record.object_number = slot.object_number;
    record.name_offset = static_cast<uint32_t>(text.size());
    record.name_length = static_cast<uint8_t>(slot.base_name.size());
    record.crc = RecordCrc(static_cast<uint32_t>(records.size()),
                           absl::string_view(reinterpret_cast<const char*>(&record), sizeof record),
                           slot.base_name, {});
    text.append(slot.base_name);
    records.push_back(record);
  }
  IndexHeader header{};
  header.magic = kViewMagic;
  header.record_size = sizeof(ViewRecord);
  header.number = view_number;
  return WriteIndexFile(header, BytesOf(records), text, output_path);
}

}  // namespace stowage
