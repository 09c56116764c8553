#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "fuse/index_file.h"

namespace stowage {

// One store path of a view. The name points into the view.
struct ViewEntry {
  uint32_t slot = 0;  // 1..slot_count()
  absl::string_view name;
  uint64_t object_number = 0;
};

// A view, mapped: which objects one directory of the mount shows (format: fuse/index_format.h;
// written by WriteView). Immutable, thread-safe; damage gives EIO, as in ObjectIndex.
class ViewIndex {
 public:
  // Errors: as ObjectIndex::Open.
  static absl::StatusOr<ViewIndex> Open(int directory_fd, const std::string& path,
                                        uint64_t view_number);

  uint64_t view_number() const { return file_.header().number; }
  uint32_t slot_count() const { return static_cast<uint32_t>(file_.header().record_count); }
  size_t mapped_bytes() const { return file_.size_bytes(); }

  // slot: 1..slot_count(). ESTALE: no such slot; EIO: damaged.
  int ReadSlot(uint32_t slot, ViewEntry* entry) const;

  // ENOENT; EIO if a record on the way is damaged.
  int FindName(absl::string_view name, ViewEntry* entry) const;

  // Errors: DataLoss.
  absl::Status VerifyContent() const { return file_.VerifyContent(); }

 private:
  explicit ViewIndex(IndexFile file) : file_(std::move(file)) {}

  IndexFile file_;
};

}  // namespace stowage
