#include "base/removal_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace stowage {

absl::StatusOr<RemovalWatch> RemovalWatch::Open(const std::string& directory) {
  const auto failed = [&] {
    // EMFILE: the user's inotify instances are used up, ENOSPC: the watches.
    const int error = errno == EMFILE || errno == ENOSPC ? ENOSPC : errno;
    return absl::ErrnoToStatus(error, absl::StrCat("watch ", directory));
  };
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return failed();
  constexpr uint32_t kRemovals =
      IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(inotify.get(), directory.c_str(), kRemovals) < 0) return failed();
  return RemovalWatch(std::move(inotify));
}

RemovalWatch::RemovalWatch(RemovalWatch&& other) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS
    : inotify_(std::move(other.inotify_)),
      count_(other.count_),
      ended_(other.ended_) {}

absl::StatusOr<uint64_t> RemovalWatch::Count() {
  const absl::MutexLock lock(&mutex_);
  alignas(inotify_event) char buffer[1 << 12];
  while (true) {
    const ssize_t size = ::read(inotify_.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0) return absl::ErrnoToStatus(errno, "read inotify events");
    // A queue that has overflowed says so by an event, so it counts as well.
    ++count_;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      if ((event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) ended_ = true;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  if (ended_) ++count_;
  return count_;
}

}  // namespace stowage
