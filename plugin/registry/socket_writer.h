#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// BodyWriter on a non-blocking socket, with the response's head in front of the body and a limit on
// what is written in one go, so that many bodies share a thread fairly. One thread at a time.
class SocketWriter : public BodyWriter {
 public:
  // Starts a response on `socket_fd`, which is borrowed. head goes out in one packet with the first
  // bytes of the body.
  void StartResponse(int socket_fd, std::string head);
  // Allows `budget_bytes` more.
  void StartSlice(uint64_t budget_bytes);

  absl::StatusOr<uint64_t> Send(absl::string_view bytes, bool more) override;
  absl::StatusOr<uint64_t> SendFile(int fd, uint64_t offset, uint64_t size) override;

  // Sends what is left of the head, for a body that is empty. False: the socket is full.
  absl::StatusOr<bool> FlushHead() { return FlushHead(/*more=*/false); }

  // Something of the response is with the kernel.
  bool started() const { return head_sent_ > 0; }
  // Bytes of the body that the kernel has taken.
  uint64_t body_bytes() const { return body_bytes_; }
  // True: the last short write was for the budget; false: because the socket is full.
  bool budget_used() const { return budget_bytes_ == 0; }

 private:
  absl::StatusOr<bool> FlushHead(bool more);
  void CountBody(uint64_t bytes);

  int socket_fd_ = -1;
  std::string head_;
  size_t head_sent_ = 0;
  uint64_t body_bytes_ = 0;
  uint64_t budget_bytes_ = 0;
};

}  // namespace stowage
