#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "layering/layer_archive.h"

namespace stowage {

// Collects small pieces of a layer into few Memory calls of a sink. Not thread-safe; borrows the
// sink. What was not flushed is dropped by the destructor.
class GatherBuffer {
 public:
  GatherBuffer(size_t capacity_bytes, LayerSink& sink);

  absl::Status Append(absl::string_view bytes);
  absl::Status AppendZeros(size_t count);

  // Room for `size` bytes, at most the capacity, that the caller fills before Commit(size).
  absl::StatusOr<char*> Reserve(size_t size);
  void Commit(size_t size) { size_ += size; }

  // Gives to the sink what is there.
  absl::Status Flush();

 private:
  const size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  LayerSink& sink_;
};

}  // namespace stowage
