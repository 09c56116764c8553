#include "fuse/request_loop.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

// No request that somebody waits for is larger: a header and a name or two. The rest of the buffer
// is there for the kernel's arithmetic (and for FORGET in bulk) and costs no memory.
constexpr size_t kLargestRequestBytes = 16 << 10;

// A process that is killed while the kernel copies a request into a page that is not there makes
// the request fail with EIO (Linux: fs/fuse/dev.c, fuse_dev_do_read); into one that is there, the
// copy completes and the request can be served again.
void KeepPresent(char* bytes, size_t size) {
  std::memset(bytes, 0, size);
  (void)::mlock(bytes, size);  // refused by a small limit: then only swapping can bring the EIO
}

}  // namespace

RequestLoop::RequestLoop(LibfuseSession* session, LogFunction log, UniqueFd ended_fd)
    : session_(session), log_(std::move(log)), ended_fd_(std::move(ended_fd)) {}

absl::StatusOr<std::unique_ptr<RequestLoop>> RequestLoop::Start(LibfuseSession* session,
                                                                int threads, LogFunction log) {
  UniqueFd ended_fd(::eventfd(0, EFD_CLOEXEC));
  if (!ended_fd) return absl::ErrnoToStatus(errno, "make an eventfd");
  std::unique_ptr<RequestLoop> loop(new RequestLoop(session, std::move(log), std::move(ended_fd)));
  loop->running_ = threads;
  for (int i = 0; i < threads; ++i)
    loop->threads_.emplace_back([loop = loop.get()] { loop->Serve(); });
  return loop;
}

void RequestLoop::Serve() noexcept {
  try {
    ServeUntilEnd();
  } catch (...) {
    log_(LogLevel::kError, "serving_thread_ended error=\"out of memory\"");
  }
  if (--running_ > 0) return;
  const uint64_t one = 1;
  (void)!::write(ended_fd_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
}

void RequestLoop::ServeUntilEnd() {
  // operator new aligns it well enough for every request.
  const size_t capacity = RequestBufferBytes();
  const std::unique_ptr<char[]> buffer(new char[capacity]);
  KeepPresent(buffer.get(), kLargestRequestBytes);
  while (true) {
    const ssize_t size = ::read(session_->fd(), buffer.get(), capacity);
    if (size > 0) {
      session_->Process(buffer.get(), static_cast<size_t>(size));
      continue;
    }
    // ENOENT: the request was interrupted before we got it.
    if (size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN)) continue;
    // ENODEV: unmounted everywhere, or aborted.
    if (size < 0 && errno != ENODEV && errno != ECONNABORTED)
      log_(LogLevel::kError,
           absl::StrCat("read_request_failed error=\"", std::strerror(errno), "\""));
    return;
  }
}

}  // namespace stowage
