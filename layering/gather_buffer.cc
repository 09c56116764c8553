#include "layering/gather_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status_macros.h"

namespace stowage {

GatherBuffer::GatherBuffer(size_t capacity_bytes, LayerSink& sink)
    : capacity_(capacity_bytes),
      bytes_(std::make_unique_for_overwrite<char[]>(capacity_bytes)),
      sink_(sink) {}

absl::Status GatherBuffer::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t piece = std::min(bytes.size(), capacity_);
    STOWAGE_ASSIGN_OR_RETURN(char* room, Reserve(piece));
    std::memcpy(room, bytes.data(), piece);
    Commit(piece);
    bytes.remove_prefix(piece);
  }
  return absl::OkStatus();
}

absl::Status GatherBuffer::AppendZeros(size_t count) {
  STOWAGE_ASSIGN_OR_RETURN(char* room, Reserve(count));
  std::memset(room, 0, count);
  Commit(count);
  return absl::OkStatus();
}

absl::StatusOr<char*> GatherBuffer::Reserve(size_t size) {
  if (capacity_ - size_ < size) STOWAGE_RETURN_IF_ERROR(Flush());
  return bytes_.get() + size_;
}

absl::Status GatherBuffer::Flush() {
  if (size_ == 0) return absl::OkStatus();
  const size_t size = std::exchange(size_, 0);
  return sink_.Memory(absl::string_view(bytes_.get(), size));
}

}  // namespace stowage
