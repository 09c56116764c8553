#include "base/unique_fd.h"

#include <unistd.h>

#include <cerrno>

namespace stowage {

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) {
    const int saved_errno = errno;
    // Linux frees the descriptor whatever close() answers, so there is nothing to retry.
    (void)::close(fd_);
    errno = saved_errno;
  }
  fd_ = fd;
}

}  // namespace stowage
