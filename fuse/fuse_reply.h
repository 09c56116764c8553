#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "fuse/file_system.h"
#include "fuse/libfuse.h"

namespace stowage {

// The one answer to a request. Answers EIO when it goes without having answered. Not thread-safe.
class FuseReply {
 public:
  explicit FuseReply(fuse_req_t request) : request_(request) {}
  FuseReply(const FuseReply&) = delete;
  FuseReply& operator=(const FuseReply&) = delete;
  ~FuseReply();

  void Error(int error);  // positive errno
  void Entry(const NodeAttributes& attributes);
  // There is no such name and never will be: the kernel remembers that.
  void NoEntryEver();
  void Attributes(const NodeAttributes& attributes);
  void Link(const std::string& target);
  void Buffer(const char* bytes, size_t size);
  // To OPEN. backing_id: of the file that the kernel shall read; 0: none, it keeps pages. To
  // RELEASE. False if the kernel does not take the answer: it has another one.
  bool Opened(int32_t backing_id);
  bool Released();
  // `size` bytes of a file from `offset`, by splice(2) when there are enough of them. `fd` is
  // used during the call only. Returns the errno with which reading it failed, which is answered.
  int File(int fd, off_t offset, size_t size);
  void FileSystemStatistics();

  fuse_req_t request() const { return request_; }
  // Leaves the answer to the caller.
  fuse_req_t Release() { return std::exchange(request_, nullptr); }

 private:
  // libfuse frees a request with its reply, also when the kernel does not take the reply any more.
  void Sent() { request_ = nullptr; }

  fuse_req_t request_;  // null once answered
};

// The attributes as libfuse has them.
struct stat StatOf(const NodeAttributes& attributes);
fuse_entry_param EntryOf(const NodeAttributes& attributes);

}  // namespace stowage
