#include "fuse/removed_objects.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fuse/index_directory.h"
#include "fuse/nodeid.h"

namespace stowage {
namespace {

constexpr int kRetryMs = 200;
constexpr size_t kEventBytes = 16 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<RemovedObjects>> RemovedObjects::Watch(UniqueFd state_directory_fd,
                                                                      Callback on_removed) {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return absl::ErrnoToStatus(errno, "make an inotify instance");
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return absl::ErrnoToStatus(errno, "make an eventfd");
  return std::unique_ptr<RemovedObjects>(new RemovedObjects(
      std::move(state_directory_fd), std::move(on_removed), std::move(inotify), std::move(stop)));
}

RemovedObjects::RemovedObjects(UniqueFd state_directory_fd, Callback on_removed, UniqueFd inotify,
                               UniqueFd stop)
    : state_directory_fd_(std::move(state_directory_fd)),
      on_removed_(std::move(on_removed)),
      inotify_(std::move(inotify)),
      stop_(std::move(stop)),
      thread_([this, watching = WatchObjects()] { Run(watching); }) {}

RemovedObjects::~RemovedObjects() {
  (void)::eventfd_write(stop_.get(), 1);  // cannot fail: the counter is zero
  thread_.join();
}

bool RemovedObjects::WatchObjects() {
  const std::string path = absl::StrCat("/proc/self/fd/", state_directory_fd_.get(), "/objects");
  return ::inotify_add_watch(inotify_.get(), path.c_str(), IN_DELETE | IN_ONLYDIR) >= 0;
}

void RemovedObjects::Run(bool watching) noexcept {
  while (true) {
    std::array<pollfd, 2> waiting = {
        {{watching ? inotify_.get() : -1, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    // EINTR: nothing is set, and we look again.
    (void)::poll(waiting.data(), waiting.size(), watching ? -1 : kRetryMs);
    if (waiting[1].revents != 0) return;
    if (!watching) {
      watching = WatchObjects();
      if (watching) on_removed_(std::nullopt);
    } else if (waiting[0].revents != 0) {
      watching = ReadEvents();
    }
  }
}

bool RemovedObjects::ReadEvents() {
  alignas(inotify_event) std::array<char, kEventBytes> buffer;
  const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
  bool watching = true;
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    if ((event->mask & IN_IGNORED) != 0) {
      watching = false;
    } else if ((event->mask & IN_Q_OVERFLOW) != 0) {
      on_removed_(std::nullopt);
    } else if (const uint64_t number = ParseFileNumber(event->name, kMaxObjectNumber);
               number != 0) {
      on_removed_(number);
    }
  }
  return watching;
}

}  // namespace stowage
