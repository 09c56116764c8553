#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "fuse/data_mode.h"

struct fuse_conn_info;
struct fuse_lowlevel_ops;
struct fuse_session;

namespace stowage {

// A libfuse session on a /dev/fuse descriptor that was mounted elsewhere. The only place that knows
// versions of libfuse (3.14 to 3.17).
//
// Initialise first, on one thread; Process is thread-safe then.
class LibfuseSession {
 public:
  // user_data: what fuse_req_userdata gives the operations; borrowed like `operations`.
  static absl::StatusOr<std::unique_ptr<LibfuseSession>> Create(const fuse_lowlevel_ops& operations,
                                                                void* user_data, UniqueFd fuse_fd);
  ~LibfuseSession();
  LibfuseSession(const LibfuseSession&) = delete;
  LibfuseSession& operator=(const LibfuseSession&) = delete;

  // Answers the connection's FUSE_INIT, whether or not an earlier worker did: libfuse serves
  // nothing before it has seen one, and a reply the kernel is not waiting for is refused with
  // ENOENT, which is no error. Returns the reply.
  // Errors: FailedPrecondition if libfuse does not accept the request; else the errno's.
  absl::StatusOr<std::string> Initialise(absl::string_view init_request, DataMode data_mode);

  // Serves one request as it was read from fd(). request: writable, aligned for uint64_t.
  void Process(char* request, size_t size);

  int fd() const { return fd_; }

 private:
  LibfuseSession(fuse_session* session, int fd) : session_(session), fd_(fd) {}

  fuse_session* const session_;  // owned; closes fd_
  const int fd_;
};

// The errno of the last reply that this thread sent by libfuse; 0: one without error. For replies
// whose content libfuse reads itself (fuse_reply_data), which it does not tell otherwise.
int LastReplyError();

// For the operations' init(): what we want of the kernel (docs/fuse.md, "Settings").
void RequestCapabilities(fuse_conn_info* connection);

}  // namespace stowage
