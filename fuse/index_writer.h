#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace stowage {

struct ObjectIndexSummary {
  uint64_t entries = 0;
  uint64_t file_bytes = 0;
};

// Writes the index of one store path: its tree with attributes and symlink targets, in the format
// of fuse/object_index.h.
//
// store_directory_fd: directory that holds the path. base_name: "HASH-NAME".
// object_number: the number that the daemon gave this path for ever, 1..2^37-1; part of the nodeids
// of its files. output_path: the file to write; written beside it first and renamed, not synced
// (the caller syncs a batch; a torn file
//   is detected by its checksum).
// Errors: NotFound if the path is missing; InvalidArgument for a file type that a store path cannot
// hold; else the errno's.
absl::StatusOr<ObjectIndexSummary> WriteObjectIndex(int store_directory_fd,
                                                    const std::string& base_name,
                                                    uint64_t object_number,
                                                    const std::string& output_path);

struct ViewSlot {
  std::string base_name;  // the name it shows in nix/store
  uint64_t object_number;
};

// Writes a view: which objects one directory of the FUSE mount shows below nix/store.
//
// view_number: 1..2^20-1, never used for another view. slots: sorted by base_name, without
// duplicates. Errors: InvalidArgument for numbers out of range, too many or unsorted slots; else
// the errno's.
absl::Status WriteView(uint64_t view_number, absl::Span<const ViewSlot> slots,
                       const std::string& output_path);

}  // namespace stowage
