#include "plugin/registry/layer_body.h"

#include <fcntl.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

class LayerBody : public BodyStream, private LayerSink {
 public:
  LayerBody(std::shared_ptr<const LayerArchive> layer, uint64_t begin, uint64_t end)
      : layer_(std::move(layer)), position_(begin), size_bytes_(end - begin), end_(end) {}

  std::optional<uint64_t> size_bytes() const override { return size_bytes_; }
  Work work() const override { return Work::kDisk; }

  absl::StatusOr<bool> Continue(BodyWriter& writer) override {
    if (!unsent_.empty()) {
      STOWAGE_ASSIGN_OR_RETURN(const uint64_t sent, writer.Send(unsent_, position_ < end_));
      unsent_.erase(0, sent);
      if (!unsent_.empty()) return false;
    }
    if (file_left_ > 0) {
      STOWAGE_RETURN_IF_ERROR(SendFile(writer, file_.get()));
      if (file_left_ > 0) return false;
      file_.Reset();
    }
    writer_ = &writer;
    full_ = false;
    const absl::Status status =
        position_ < end_ ? layer_->Emit(position_, end_, *this) : absl::OkStatus();
    writer_ = nullptr;
    // Emit hands our own error back when it was told to stop; that is no failure.
    if (full_) return false;
    STOWAGE_RETURN_IF_ERROR(status);
    if (position_ != end_) return absl::DataLossError("layer ended before its size");
    return true;
  }

 private:
  absl::Status Memory(absl::string_view bytes) override {
    if (bytes.size() > end_ - position_) return absl::DataLossError("layer is beyond its size");
    position_ += bytes.size();
    STOWAGE_ASSIGN_OR_RETURN(const uint64_t sent, writer_->Send(bytes, position_ < end_));
    if (sent == bytes.size()) return absl::OkStatus();
    // Kept, because making these bytes again would read all their files again.
    unsent_.assign(bytes.data() + sent, bytes.size() - sent);
    return Stop();
  }

  absl::Status File(int fd, uint64_t offset, uint64_t size) override {
    if (size > end_ - position_) return absl::DataLossError("layer is beyond its size");
    file_offset_ = offset;
    file_left_ = size;
    STOWAGE_RETURN_IF_ERROR(SendFile(*writer_, fd));
    if (file_left_ == 0) return absl::OkStatus();
    // Held open, because finding the place again costs as much as a socket buffer full of file.
    // Without a descriptor to spare the index finds it.
    file_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!file_) file_left_ = 0;
    return Stop();
  }

  // Sends of the current file what the connection takes.
  absl::Status SendFile(BodyWriter& writer, int fd) {
    STOWAGE_ASSIGN_OR_RETURN(const uint64_t sent, writer.SendFile(fd, file_offset_, file_left_));
    position_ += sent;
    file_offset_ += sent;
    file_left_ -= sent;
    return absl::OkStatus();
  }

  absl::Status Stop() {
    full_ = true;
    return absl::CancelledError("the connection takes no more for now");
  }

  const std::shared_ptr<const LayerArchive> layer_;
  uint64_t position_;  // in the tar, of what comes after `unsent_`
  const uint64_t size_bytes_;
  const uint64_t end_;
  std::string unsent_;
  UniqueFd file_;  // of which file_left_ bytes from file_offset_ on come next, if that is not 0
  uint64_t file_offset_ = 0;
  uint64_t file_left_ = 0;
  BodyWriter* writer_ = nullptr;  // during Continue only
  bool full_ = false;
};

}  // namespace

std::unique_ptr<BodyStream> MakeLayerBody(std::shared_ptr<const LayerArchive> layer, uint64_t begin,
                                          uint64_t end) {
  return std::make_unique<LayerBody>(std::move(layer), begin, end);
}

}  // namespace stowage
