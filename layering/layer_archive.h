#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/digest.h"

namespace stowage {

// Receives the bytes of a layer's tar in order.
class LayerSink {
 public:
  virtual ~LayerSink() = default;
  // Bytes valid during the call.
  virtual absl::Status Memory(absl::string_view bytes) = 0;
  // `size` bytes of an open regular file from `offset` on, fit for sendfile(2); the descriptor is
  // valid during the call.
  virtual absl::Status File(int fd, uint64_t offset, uint64_t size) = 0;
};

struct LayerDigest {
  Digest diff_id;
  uint64_t size_bytes;
};

// The canonical tar of one layer (docs/layer-format.md) as an offset index over files that stay
// where they are: nothing is stored, any byte range is made on demand. Immutable; all const methods
// are thread-safe.
class LayerArchive {
 public:
  // Describes the layer that holds these store paths.
  //
  // store_directory: where they lie, normally "/nix/store" (tests use another place); names in the
  // tar are always below
  //   nix/store/. Opened once and walked by descriptors without following links.
  // base_names: "HASH-NAME" of each path; sorted by bytes, without duplicates.
  // Errors: NotFound if a path is missing, InvalidArgument for an unsorted list or a file type that
  // a store path cannot hold (device, socket, fifo), else the errno's code.
  static absl::StatusOr<LayerArchive> ForStorePaths(const std::string& store_directory,
                                                    absl::Span<const std::string> base_names);
  // Describes the layer that holds what is in a directory as it is: permission bits kept, owner
  // 0:0, mtime 1 (profile layers). Errors: as ForStorePaths.
  static absl::StatusOr<LayerArchive> ForDirectory(const std::string& directory);

  LayerArchive(LayerArchive&&) noexcept;
  LayerArchive& operator=(LayerArchive&&) noexcept;
  ~LayerArchive();

  uint64_t size_bytes() const;

  // Gives bytes [begin, end) of the tar to `sink`. Files of up to 64 KiB and headers are gathered
  // into Memory calls, larger files come as File calls. Errors: OutOfRange for a bad range;
  // DataLoss if a file has changed size or is gone; whatever the sink returns, at once.
  absl::Status Emit(uint64_t begin, uint64_t end, LayerSink& sink) const;

  // SHA-256 of the whole tar. Reads every byte.
  // on_progress: called now and then with the number of bytes hashed since the last call; may be
  // empty.
  absl::StatusOr<LayerDigest> Hash(const std::function<void(uint64_t)>& on_progress) const;

 private:
  struct Contents;
  explicit LayerArchive(std::unique_ptr<const Contents> contents);
  std::unique_ptr<const Contents> contents_;
};

}  // namespace stowage
