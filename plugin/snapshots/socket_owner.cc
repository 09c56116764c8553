#include "plugin/snapshots/socket_owner.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr size_t kMaxServiceBytes = size_t{64} << 10;
constexpr absl::string_view kWhatToDo =
    "two containerds would remove each other's snapshots; give each a stowaged of its own "
    "(paths.state, paths.gc_roots, snapshotter.socket, fuse.mountpoint)";

bool HasEnded(const UniqueFd& pidfd) {
  pollfd polled = {pidfd.get(), POLLIN, 0};
  return !pidfd || ::poll(&polled, 1, 0) > 0;
}

}  // namespace

std::string ServiceOf(pid_t process) {
  return ReadFile(absl::StrCat("/proc/", process, "/cgroup"), kMaxServiceBytes).value_or("");
}

SocketOwner::SocketOwner(SocketOwnerOptions options) : options_(std::move(options)) {
  const absl::MutexLock lock(&mutex_);
  owner_service_ = ReadFile(options_.record_path, kMaxServiceBytes).value_or("");
}

absl::Status SocketOwner::WaitForOwner(pid_t process, const std::string& service) {
  if (owner_service_.empty() || service == owner_service_) return absl::OkStatus();
  const absl::Time now = absl::Now();
  if (!wanted_since_.has_value()) wanted_since_ = now;
  const absl::Duration left = *wanted_since_ + options_.patience - now;
  if (left <= absl::ZeroDuration()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "process ", process, " is of another service than the containerd that used this snapshotter ",
      "socket last, which may be restarting: ", kWhatToDo, "; if that one is gone for good, try ",
      "again in ", absl::FormatDuration(absl::Ceil(left, absl::Seconds(1)))));
}

absl::Status SocketOwner::Admit(pid_t process) {
  if (process == 0) return absl::OkStatus();
  const absl::MutexLock lock(&mutex_);
  if (!HasEnded(owner_pidfd_)) {
    if (process == owner_) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("process ", process, " shares this snapshotter socket with process ", owner_,
                     ", which uses it: ", kWhatToDo));
  }
  std::string service = options_.service_of(process);
  STOWAGE_RETURN_IF_ERROR(WaitForOwner(process, service));
  owner_ = process;
  // Invalid for a process that has ended meanwhile: the next one follows it.
  owner_pidfd_.Reset(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  wanted_since_.reset();
  if (service.empty() || service == owner_service_) return absl::OkStatus();
  owner_service_ = std::move(service);
  // Without the file, only a restart of ours forgets whom it served.
  (void)WriteFileAtomically(options_.record_path, owner_service_);
  return absl::OkStatus();
}

}  // namespace stowage
