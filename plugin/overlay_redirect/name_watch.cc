#include "plugin/overlay_redirect/name_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr int kTryAgainMs = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<NameWatch>> NameWatch::Start(
    const std::string& directory, std::function<absl::Status()> on_names,
    std::function<void(absl::string_view)> warn) {
  UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("watch ", directory));
  if (::inotify_add_watch(watch.get(), directory.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("watch ", directory));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return absl::ErrnoToStatus(errno, "eventfd");
  STOWAGE_RETURN_IF_ERROR(on_names());
  return std::unique_ptr<NameWatch>(new NameWatch(directory, std::move(watch), std::move(stop),
                                                  std::move(on_names), std::move(warn)));
}

NameWatch::~NameWatch() {
  const uint64_t one = 1;
  // Cannot fail: the counter was 0.
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

bool NameWatch::Read() {
  alignas(inotify_event) char buffer[16 << 10];
  while (true) {
    const ssize_t count = ::read(watch_.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;  // EAGAIN: all read
    for (const char* at = buffer; at < buffer + count;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof event);
      if ((event.mask & IN_IGNORED) != 0) return false;
      at += sizeof event + event.len;
    }
  }
}

int NameWatch::CallBack(bool failed_before) {
  const absl::Status status = on_names_();
  if (status.ok()) return -1;
  if (!failed_before) warn_(absl::StrCat("new names in ", directory_, ": ", status.message()));
  return kTryAgainMs;
}

void NameWatch::Run() noexcept {
  int wait = -1;
  while (true) {
    pollfd ready[] = {{watch_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(ready, 2, wait) < 0) {
      if (errno == EINTR) continue;
      return warn_(absl::StrCat("watch of ", directory_, " ends: ", std::strerror(errno)));
    }
    if (ready[1].revents != 0) return;
    const bool goes_on = ready[0].revents == 0 || Read();
    // Whatever came, lost events included: the directory is read anew.
    wait = CallBack(wait >= 0);
    if (!goes_on) return warn_(absl::StrCat("watch of ", directory_, " ends: it was removed"));
  }
}

}  // namespace stowage
