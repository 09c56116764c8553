#include "plugin/registry/encoded_layer_body.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "plugin/registry/body_encoder.h"

namespace stowage {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{256} << 10;
// Input of one slice: with well compressible layers, output says little about the time spent.
constexpr uint64_t kSliceBytes = uint64_t{16} << 20;
// Encoded bytes are sent in chunks of about this size.
constexpr size_t kChunkBytes = size_t{64} << 10;
// "00010000\r\n": leading zeros are allowed, so a chunk's size can be filled in behind its bytes.
constexpr size_t kChunkHeadBytes = 10;

class EncodedLayerBody : public BodyStream, private LayerSink {
 public:
  EncodedLayerBody(std::shared_ptr<const LayerArchive> layer, std::unique_ptr<BodyEncoder> encoder,
                   std::unique_ptr<EncoderPlace> place)
      : layer_(std::move(layer)), encoder_(std::move(encoder)), place_(std::move(place)) {}

  std::optional<uint64_t> size_bytes() const override { return std::nullopt; }
  Work work() const override { return Work::kProcessor; }

  absl::StatusOr<bool> Continue(BodyWriter& writer) override {
    writer_ = &writer;
    STOWAGE_ASSIGN_OR_RETURN(const bool sent_before, SendReady());
    if (!sent_before) return false;
    if (position_ < layer_->size_bytes()) {
      full_ = false;
      slice_end_ = position_ + kSliceBytes;
      const absl::Status status = layer_->Emit(position_, layer_->size_bytes(), *this);
      if (full_) return false;
      STOWAGE_RETURN_IF_ERROR(status);
      if (position_ != layer_->size_bytes())
        return absl::DataLossError("layer ended before its size");
    }
    if (!finished_) {
      finished_ = true;
      STOWAGE_RETURN_IF_ERROR(encoder_->Encode("", /*last=*/true, encoded_));
      MakeChunk();
      ready_ += "0\r\n\r\n";
    }
    return SendReady();
  }

 private:
  absl::Status Memory(absl::string_view bytes) override { return Take(bytes); }

  absl::Status File(int fd, uint64_t offset, uint64_t size) override {
    piece_.resize(static_cast<size_t>(std::min(size, kPieceBytes)));
    while (size > 0) {
      const size_t step = static_cast<size_t>(std::min<uint64_t>(size, piece_.size()));
      const absl::Status read =
          PreadExactly(fd, piece_.data(), step, offset, "a file of the layer");
      if (absl::IsOutOfRange(read)) return absl::DataLossError(read.message());
      STOWAGE_RETURN_IF_ERROR(read);
      STOWAGE_RETURN_IF_ERROR(Take(absl::string_view(piece_.data(), step)));
      offset += step;
      size -= step;
    }
    return absl::OkStatus();
  }

  absl::Status Take(absl::string_view bytes) {
    if (bytes.size() > layer_->size_bytes() - position_)
      return absl::DataLossError("layer is beyond its size");
    STOWAGE_RETURN_IF_ERROR(encoder_->Encode(bytes, /*last=*/false, encoded_));
    position_ += bytes.size();
    bool all_sent = true;
    if (encoded_.size() >= kChunkBytes) {
      MakeChunk();
      STOWAGE_ASSIGN_OR_RETURN(all_sent, SendReady());
    }
    if (all_sent && position_ < slice_end_) return absl::OkStatus();
    full_ = true;
    return absl::CancelledError("the connection takes no more for now");
  }

  // Moves what is encoded into `ready_` as one chunk. A chunk of no bytes would end the body.
  void MakeChunk() {
    if (encoded_.empty()) return;
    static_assert(kChunkHeadBytes == 8 + 2);
    ready_ += absl::StrFormat("%08x\r\n", encoded_.size());
    ready_ += encoded_;
    ready_ += "\r\n";
    encoded_.clear();
  }

  absl::StatusOr<bool> SendReady() {
    if (sent_ < ready_.size()) {
      const absl::string_view left = absl::string_view(ready_).substr(sent_);
      STOWAGE_ASSIGN_OR_RETURN(const uint64_t sent, writer_->Send(left, !finished_));
      sent_ += sent;
      if (sent_ < ready_.size()) return false;
    }
    ready_.clear();
    sent_ = 0;
    return true;
  }

  const std::shared_ptr<const LayerArchive> layer_;
  const std::unique_ptr<BodyEncoder> encoder_;
  const std::unique_ptr<EncoderPlace> place_;
  uint64_t position_ = 0;  // in the tar, of the next byte for the encoder
  uint64_t slice_end_ = 0;
  std::string encoded_;  // not yet a chunk
  std::string ready_;    // chunks, of which `sent_` bytes are sent
  size_t sent_ = 0;
  std::vector<char> piece_;
  BodyWriter* writer_ = nullptr;  // valid during Continue only
  bool full_ = false;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<EncoderPlace> EncoderPlace::Take(std::shared_ptr<std::atomic<int>> in_use,
                                                 int limit) {
  if (in_use->fetch_add(1) < limit)
    return std::unique_ptr<EncoderPlace>(new EncoderPlace(std::move(in_use)));
  in_use->fetch_sub(1);
  return nullptr;
}

EncoderPlace::~EncoderPlace() { in_use_->fetch_sub(1); }

absl::StatusOr<std::unique_ptr<BodyStream>> MakeEncodedLayerBody(
    std::shared_ptr<const LayerArchive> layer, ContentCoding coding,
    std::unique_ptr<EncoderPlace> place) {
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<BodyEncoder> encoder, BodyEncoder::Create(coding));
  return std::make_unique<EncodedLayerBody>(std::move(layer), std::move(encoder), std::move(place));
}

}  // namespace stowage
