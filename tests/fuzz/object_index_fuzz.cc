#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "fuse/index_file.h"
#include "fuse/object_index.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/index_input.h"

namespace stowage {
namespace {

uint32_t CrcOfRecord(uint32_t index, absl::string_view bytes, absl::string_view text) {
  ObjectIndexRecord record;
  std::memcpy(&record, bytes.data(), sizeof record);
  const bool is_symlink = record.kind == static_cast<uint8_t>(EntryKind::kSymlink);
  return RecordCrc(index, bytes, testing::PieceOf(text, record.name_offset, record.name_length),
                   is_symlink ? testing::PieceOf(text, record.value, record.target_length) : "");
}

void CheckChildren(const ObjectIndex& index, const ObjectEntry& directory) {
  for (uint32_t i = 0; i < directory.child_count; ++i) {
    ObjectEntry child;
    if (index.ReadEntry(directory.first_child + i, &child) != 0) continue;
    ObjectEntry found;
    const int error = index.FindChild(directory, child.name, &found);
    STOWAGE_FUZZ_CHECK(error == 0 || error == EIO || error == ENOENT);
    if (error != 0) continue;
    STOWAGE_FUZZ_CHECK(found.name == child.name && found.parent == directory.index);
  }
}

void CheckEntry(const ObjectIndex& index, const ObjectEntry& entry) {
  // The kernel is given this name: it must be one.
  STOWAGE_FUZZ_CHECK(!entry.name.empty() && entry.name != "." && entry.name != "..");
  STOWAGE_FUZZ_CHECK(entry.name.find('/') == absl::string_view::npos);
  STOWAGE_FUZZ_CHECK(entry.name.find('\0') == absl::string_view::npos);
  STOWAGE_FUZZ_CHECK(entry.index == 0 ? entry.parent == 0 : entry.parent < entry.index);
  STOWAGE_FUZZ_CHECK(entry.is_regular_file() || entry.size_bytes == 0);
  STOWAGE_FUZZ_CHECK(entry.kind == EntryKind::kSymlink || entry.target.empty());
  STOWAGE_FUZZ_CHECK(entry.kind == EntryKind::kDirectory || entry.child_count == 0);
  std::string path;
  if (const int error = index.PathOf(entry.index, &path); error == 0) {
    STOWAGE_FUZZ_CHECK(absl::EndsWith(path, entry.name) && path[0] != '/');
  } else {
    STOWAGE_FUZZ_CHECK(error == EIO);
  }
  CheckChildren(index, entry);
}

// False: it is not opened.
bool CheckFile(absl::string_view bytes) {
  const testing::IndexInput input(bytes);
  const auto index = ObjectIndex::Open(AT_FDCWD, input.path(), testing::kFuzzIndexNumber);
  if (!index.ok()) return false;
  ObjectEntry entry;
  for (uint32_t i = 0; i < index->entry_count(); ++i) {
    const int error = index->ReadEntry(i, &entry);
    STOWAGE_FUZZ_CHECK(error == 0 || error == EIO);
    if (error == 0) CheckEntry(*index, entry);
  }
  STOWAGE_FUZZ_CHECK(index->ReadEntry(index->entry_count(), &entry) == ESTALE);
  (void)index->VerifyContent();
  return true;
}

void FuzzObjectIndex(absl::string_view bytes) {
  (void)CheckFile(bytes);
  STOWAGE_FUZZ_CHECK(CheckFile(testing::WithRightChecksums(bytes, kObjectMagic, CrcOfRecord)));
}

STOWAGE_FUZZ_TARGET(object_index, FuzzObjectIndex);

}  // namespace
}  // namespace stowage
