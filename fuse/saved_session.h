#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage {

// What a connection must remember longer than any worker lives: the kernel's FUSE_INIT request and
// the reply it got. Kept in a memfd that keeper and worker both hold.
//
// Layout, version 1: a header with magic, version and its own size; the two messages in it. Later
// versions append behind header_size. One writer at a time; not thread-safe.
class SavedSession {
 public:
  // A new memfd with the request. Errors: the errno's; InvalidArgument for a message too long.
  static absl::StatusOr<SavedSession> Create(absl::string_view init_request);
  // An inherited one. Errors: FailedPrecondition for another version; DataLoss for anything else.
  static absl::StatusOr<SavedSession> Adopt(UniqueFd memfd);

  const std::string& init_request() const { return init_request_; }
  const std::string& init_reply() const { return init_reply_; }  // "": no worker has answered yet
  int fd() const { return memfd_.get(); }

  // Errors: as Create.
  absl::Status SaveInitReply(absl::string_view init_reply);

 private:
  SavedSession() = default;
  absl::Status Write() const;

  UniqueFd memfd_;
  std::string init_request_;
  std::string init_reply_;
};

}  // namespace stowage
