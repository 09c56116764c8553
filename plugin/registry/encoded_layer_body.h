#pragma once

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "layering/layer_archive.h"
#include "plugin/registry/accept_encoding.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// A place among the bodies that are being encoded; given back when it goes. Movable.
class EncoderPlace {
 public:
  // Null when `limit` places are taken. in_use: owners are the service and all places.
  static std::unique_ptr<EncoderPlace> Take(std::shared_ptr<std::atomic<int>> in_use, int limit);
  ~EncoderPlace();
  EncoderPlace(const EncoderPlace&) = delete;
  EncoderPlace& operator=(const EncoderPlace&) = delete;

 private:
  explicit EncoderPlace(std::shared_ptr<std::atomic<int>> in_use) : in_use_(std::move(in_use)) {}
  std::shared_ptr<std::atomic<int>> in_use_;
};

// A whole layer under a content coding, with chunked framing. Never holds more of it than one piece
// of the layer (256 KiB), encoded.
// Errors: as BodyEncoder::Create.
absl::StatusOr<std::unique_ptr<BodyStream>> MakeEncodedLayerBody(
    std::shared_ptr<const LayerArchive> layer, ContentCoding coding,
    std::unique_ptr<EncoderPlace> place);

}  // namespace stowage
