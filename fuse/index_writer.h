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
// of fuse/index_format.h; ObjectIndex reads it.
//
// store_directory_fd: directory that holds the path. base_name: "HASH-NAME".
// object_number: the number that the daemon gave this path for ever, 1..kMaxObjectNumber; part of
// the nodeids of its files. output_path: the file to write, <state>/objects/<object_number>;
// written beside it first and renamed, not synced (the caller syncs a batch; a torn file is
// detected by its checksums). Errors: NotFound if the path is missing; InvalidArgument for a file
// type that a store path cannot hold or a number out of range; ResourceExhausted beyond kMaxEntries
// entries or 4 GiB of names; else the errno's. Thread-safe.
absl::StatusOr<ObjectIndexSummary> WriteObjectIndex(int store_directory_fd,
                                                    const std::string& base_name,
                                                    uint64_t object_number,
                                                    const std::string& output_path);

struct ViewSlot {
  std::string base_name;  // the name it shows in nix/store
  uint64_t object_number;
};

// Writes a view: which objects one directory of the FUSE mount shows below nix/store. ViewIndex
// reads it.
//
// view_number: 1..kMaxViewNumber, never used for another view. slots: sorted by base_name, without
// duplicates, at most kMaxSlot. output_path: <state>/views/<view_number>; the view can be looked up
// as soon as the file is there. Not synced. Errors: InvalidArgument for numbers out of range, too
// many or unsorted slots or a name that no directory can hold; else the errno's. Thread-safe.
absl::Status WriteView(uint64_t view_number, absl::Span<const ViewSlot> slots,
                       const std::string& output_path);

}  // namespace stowage
