#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "layering/layer_archive.h"
#include "layering/layer_hash.h"

namespace stowage {

// Gives this thread the disk only when nobody else wants it. The processor is shared evenly, since
// such a thread takes locks that Prepare waits for.
void LeaveDiskToOthers();

// Hashes until it is told to stop: then Cancelled. stopping: borrowed. Not thread-safe.
class StoppableSink : public LayerSink {
 public:
  explicit StoppableSink(const std::function<bool()>& stopping) : stopping_(stopping) {}

  absl::Status Memory(absl::string_view bytes) override {
    STOWAGE_RETURN_IF_ERROR(GoOn());
    return hash_.Memory(bytes);
  }
  absl::Status File(int fd, uint64_t offset, uint64_t size) override {
    STOWAGE_RETURN_IF_ERROR(GoOn());
    return hash_.File(fd, offset, size);
  }
  Digest Finish() { return hash_.Finish(); }

 private:
  absl::Status GoOn() const {
    return stopping_() ? absl::CancelledError("stopping") : absl::OkStatus();
  }

  const std::function<bool()>& stopping_;
  const std::function<void(uint64_t)> no_progress_;
  HashingSink hash_{no_progress_};
};

}  // namespace stowage
