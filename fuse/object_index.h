#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "fuse/index_file.h"
#include "fuse/index_format.h"

namespace stowage {

// One directory, file or symlink of a store path. Views point into the index.
struct ObjectEntry {
  uint32_t index = 0;
  EntryKind kind = EntryKind::kDirectory;
  uint32_t parent = 0;  // < index, except for the store path itself: 0
  absl::string_view name;
  absl::string_view target;  // of a symlink
  uint64_t size_bytes = 0;   // of a regular file
  uint32_t first_child = 0;  // of a directory; children are consecutive, sorted by name
  uint32_t child_count = 0;

  bool is_regular_file() const {
    return kind == EntryKind::kRegular || kind == EntryKind::kExecutable;
  }
};

// The index of one store path, mapped (format: fuse/index_format.h; written by WriteObjectIndex).
// Immutable; all const methods are thread-safe and allocate nothing. The methods that return int
// give 0 or a positive errno, as the file system needs them.
//
// A damaged file never crashes a reader: each record is checked against its checksum and the
// bounds when it is read, and gives EIO.
class ObjectIndex {
 public:
  // directory_fd, path: as in openat(2). Errors: NotFound; FailedPrecondition for another format
  // version; DataLoss for a damaged header or size. Time independent of the file's size.
  static absl::StatusOr<ObjectIndex> Open(int directory_fd, const std::string& path,
                                          uint64_t object_number);

  uint64_t object_number() const { return file_.header().number; }
  uint32_t entry_count() const { return static_cast<uint32_t>(file_.header().record_count); }
  uint64_t file_bytes() const { return file_.header().file_bytes; }  // sum of file sizes
  size_t mapped_bytes() const { return file_.size_bytes(); }

  // Entry 0 is the store path itself. ESTALE: there is no such entry; EIO: it is damaged.
  int ReadEntry(uint32_t index, ObjectEntry* entry) const;

  // The child of `directory` with this name. ENOENT; ENOTDIR; EIO if a record on the way is
  // damaged.
  int FindChild(const ObjectEntry& directory, absl::string_view name, ObjectEntry* child) const;

  // The entry's place below the store directory, "HASH-NAME/share/doc". EIO as above.
  int PathOf(uint32_t index, std::string* path) const;

  // Reads everything and checks every checksum; for a caller that must know now whether the file
  // survived a crash whole. Errors: DataLoss.
  absl::Status VerifyContent() const { return file_.VerifyContent(); }

 private:
  explicit ObjectIndex(IndexFile file) : file_(std::move(file)) {}

  IndexFile file_;
};

}  // namespace stowage
