#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "layering/file_opener.h"
#include "layering/gather_buffer.h"
#include "layering/layer_archive.h"
#include "layering/layer_index.h"
#include "layering/store_tree_walk.h"

namespace stowage {

// Makes a range of a layer's tar from its index and the files it describes: one object for one
// range. Not thread-safe; borrows everything it is given.
class LayerEmitter {
 public:
  // root: where the files lie. below_root: how many bytes of an entry's path come before what the
  // root knows ("nix/store/").
  // begin, end: the range, begin <= end <= index.size_bytes().
  LayerEmitter(const LayerIndex& index, const TreeRoot& root, size_t below_root, LayerSink& sink,
               uint64_t begin, uint64_t end);

  // Errors: DataLoss if a file is gone, is no regular file any more or has another size; the
  // sink's; else the errno's code.
  absl::Status Run();

 private:
  absl::Status EmitEntry(const LayerIndex::Located& located);
  absl::Status EmitContent(const TarEntry& entry, uint64_t content_offset);
  absl::Status EmitZeros(uint64_t from, uint64_t to);
  // Gathers [from, to) of a file's content.
  absl::Status GatherFile(int fd, const TarEntry& entry, uint64_t from, uint64_t to);
  absl::Status CheckDescribed(int fd, const TarEntry& entry) const;
  absl::Status Changed(const TarEntry& entry, absl::string_view how) const;
  std::string Shown(const TarEntry& entry) const;

  // Cuts [from, to) to the range; true if anything is left.
  bool Clip(uint64_t& from, uint64_t& to) const;

  const LayerIndex& index_;
  const TreeRoot& root_;
  const size_t below_root_;
  LayerSink& sink_;
  const uint64_t begin_;
  const uint64_t end_;
  FileOpener opener_;
  GatherBuffer gathered_;
};

}  // namespace stowage
