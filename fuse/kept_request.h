#pragma once

#include <optional>
#include <utility>

#include "fuse/request_slots.h"

namespace stowage {

class RequestLoop;

// The slot of a request that is answered after its handler has returned: while this exists, the
// request is there for the next worker. Move-only; not thread-safe. Must not outlive the loop.
class KeptRequest {
 public:
  // Of a request that has no slot: only the kernel can bring it to the next worker.
  KeptRequest() = default;
  KeptRequest(RequestLoop* loop, const RequestSlot& slot) : loop_(loop), slot_(slot) {}
  KeptRequest(KeptRequest&& other) noexcept
      : loop_(other.loop_), slot_(std::exchange(other.slot_, std::nullopt)) {}
  KeptRequest& operator=(KeptRequest&&) = delete;
  // Forgets the request: it is answered.
  ~KeptRequest();

  // From now on the request is being served again, which may be what ends this process.
  void CountAttempt() const {
    if (slot_) slot_->CountAttempt();
  }

 private:
  RequestLoop* loop_ = nullptr;
  std::optional<RequestSlot> slot_;
};

}  // namespace stowage
