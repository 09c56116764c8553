#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "fuse/index_file.h"
#include "fuse/nodeid.h"
#include "fuse/view_index.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/index_input.h"

namespace stowage {
namespace {

uint32_t CrcOfRecord(uint32_t index, absl::string_view bytes, absl::string_view text) {
  ViewRecord record;
  std::memcpy(&record, bytes.data(), sizeof record);
  return RecordCrc(index, bytes, testing::PieceOf(text, record.name_offset, record.name_length),
                   {});
}

void CheckEntry(const ViewIndex& view, const ViewEntry& entry) {
  // The kernel is given this name: it must be one.
  STOWAGE_FUZZ_CHECK(!entry.name.empty() && entry.name != "." && entry.name != "..");
  STOWAGE_FUZZ_CHECK(entry.name.find('/') == absl::string_view::npos);
  STOWAGE_FUZZ_CHECK(entry.name.find('\0') == absl::string_view::npos);
  STOWAGE_FUZZ_CHECK(entry.object_number >= 1 && entry.object_number <= kMaxObjectNumber);
  ViewEntry found;
  const int error = view.FindName(entry.name, &found);
  STOWAGE_FUZZ_CHECK(error == 0 || error == EIO || error == ENOENT);
  if (error == 0) STOWAGE_FUZZ_CHECK(found.name == entry.name);
}

// False: it is not opened.
bool CheckFile(absl::string_view bytes) {
  const testing::IndexInput input(bytes);
  const auto view = ViewIndex::Open(AT_FDCWD, input.path(), testing::kFuzzIndexNumber);
  if (!view.ok()) return false;
  ViewEntry entry;
  for (uint32_t slot = 1; slot <= view->slot_count(); ++slot) {
    const int error = view->ReadSlot(slot, &entry);
    STOWAGE_FUZZ_CHECK(error == 0 || error == EIO);
    if (error == 0) CheckEntry(*view, entry);
  }
  STOWAGE_FUZZ_CHECK(view->ReadSlot(0, &entry) == ESTALE);
  STOWAGE_FUZZ_CHECK(view->ReadSlot(view->slot_count() + 1, &entry) == ESTALE);
  (void)view->VerifyContent();
  return true;
}

void FuzzViewIndex(absl::string_view bytes) {
  (void)CheckFile(bytes);
  STOWAGE_FUZZ_CHECK(CheckFile(testing::WithRightChecksums(bytes, kViewMagic, CrcOfRecord)));
}

STOWAGE_FUZZ_TARGET(view_index, FuzzViewIndex);

}  // namespace
}  // namespace stowage
