#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "layering/tar_header.h"

namespace stowage {

// What a layer's tar holds and where in it: about 32 bytes and the name per entry; headers are made
// again when they are asked for. Filled once, then read by any number of threads.
class LayerIndex {
 public:
  using EntryNumber = uint32_t;
  static constexpr EntryNumber kTop = UINT32_MAX;  // the parent of entries without one

  // An entry of the index with its full path; `entry` points into this object and the index.
  class Located {
   public:
    Located(const LayerIndex& index, EntryNumber number);
    Located(const Located&) = delete;
    Located& operator=(const Located&) = delete;

    const TarEntry& entry() const { return entry_; }
    uint64_t offset() const { return offset_; }  // of the header's first byte in the tar

   private:
    std::string path_;
    TarEntry entry_;
    uint64_t offset_;
  };

  // Appends an entry, in the order of the tar. `entry.path` is only the last component, without a
  // slash. parent: a directory added before, or kTop.
  // Errors: ResourceExhausted beyond 4 Gi entries or 4 GiB of names and link targets.
  absl::StatusOr<EntryNumber> Add(EntryNumber parent, const TarEntry& entry);

  // Gives unused memory back, after the last Add.
  void ShrinkToFit();

  size_t entry_count() const { return records_.size(); }
  // The trailer included.
  uint64_t size_bytes() const { return end_of_entries_ + kTarTrailerBytes; }
  // Where the trailer begins.
  uint64_t end_of_entries() const { return end_of_entries_; }

  // The entry whose header, content or padding holds byte `offset`, which is less than
  // end_of_entries().
  EntryNumber Find(uint64_t offset) const;

 private:
  struct Record {
    uint64_t offset;
    uint64_t size_bytes;  // of the file or, in text_, of the link's target
    EntryNumber parent;
    uint32_t text_offset;  // the name in text_, the link's target behind it
    uint16_t name_bytes;
    uint16_t mode;
    TarEntry::Type type;
  };

  absl::string_view Name(const Record& record) const {
    return absl::string_view(text_).substr(record.text_offset, record.name_bytes);
  }
  std::string Path(EntryNumber number) const;

  std::vector<Record> records_;
  std::string text_;
  uint64_t end_of_entries_ = 0;
};

}  // namespace stowage
