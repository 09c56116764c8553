#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/libfuse_session.h"

namespace stowage {

// Threads that read requests from one descriptor and serve them, until the kernel says that the
// connection has ended.
class RequestLoop {
 public:
  // session: initialised, borrowed. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<RequestLoop>> Start(LibfuseSession* session, int threads,
                                                            LogFunction log);
  // Waits for the end of the connection.
  ~RequestLoop() = default;
  RequestLoop(const RequestLoop&) = delete;
  RequestLoop& operator=(const RequestLoop&) = delete;

  // Readable once every thread has ended.
  int ended_fd() const { return ended_fd_.get(); }

 private:
  RequestLoop(LibfuseSession* session, LogFunction log, UniqueFd ended_fd);
  void Serve() noexcept;
  void ServeUntilEnd();

  LibfuseSession* const session_;
  const LogFunction log_;
  const UniqueFd ended_fd_;
  std::atomic<int> running_ = 0;
  std::vector<std::jthread> threads_;  // last: joined before anything else goes
};

}  // namespace stowage
