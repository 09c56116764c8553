#include "layering/layer_hash.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// Fits the second-level cache even when several threads share it, so that a byte is copied and
// hashed without leaving it; larger buffers were never faster and up to a third slower.
constexpr uint64_t kReadBytes = uint64_t{64} << 10;
constexpr uint64_t kProgressBytes = uint64_t{16} << 20;

}  // namespace

HashingSink::HashingSink(const std::function<void(uint64_t)>& on_progress)
    : on_progress_(on_progress) {}

absl::Status HashingSink::Memory(absl::string_view bytes) {
  hasher_.Update(bytes);
  Advance(bytes.size());
  return absl::OkStatus();
}

absl::Status HashingSink::File(int fd, uint64_t offset, uint64_t size) {
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kReadBytes);
  // Only a hint: a larger read-ahead window.
  (void)::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(size),
                        POSIX_FADV_SEQUENTIAL);
  while (size > 0) {
    const uint64_t piece = std::min(size, kReadBytes);
    const absl::Status read = PreadExactly(fd, buffer_.get(), piece, offset, "a file to be hashed");
    if (absl::IsOutOfRange(read)) return absl::DataLossError(read.message());
    STOWAGE_RETURN_IF_ERROR(read);
    hasher_.Update(buffer_.get(), piece);
    Advance(piece);
    offset += piece;
    size -= piece;
  }
  return absl::OkStatus();
}

Digest HashingSink::Finish() {
  Report();
  return hasher_.Finish();
}

void HashingSink::Advance(uint64_t bytes) {
  unreported_bytes_ += bytes;
  if (unreported_bytes_ >= kProgressBytes) Report();
}

void HashingSink::Report() {
  const uint64_t bytes = std::exchange(unreported_bytes_, 0);
  if (bytes > 0 && on_progress_) on_progress_(bytes);
}

}  // namespace stowage
