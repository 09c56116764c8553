#include "fuse/keeper_watch.h"

#include <sys/wait.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/monotonic_clock.h"
#include "fuse/session_role.h"

namespace stowage {
namespace {

// Longer than RestartSec= of deploy/systemd/stowage-fuse.service.in and the start itself.
constexpr absl::Duration kServiceManagerTime = absl::Seconds(3);
constexpr absl::Duration kAfterFailedStart = absl::Seconds(1);
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(50);

}  // namespace

KeeperWatch::KeeperWatch(const ServerOptions& options, const ServerDescriptors& descriptors,
                         int session_fd, const LogFunction& log)
    : options_(options), descriptors_(descriptors), session_fd_(session_fd), log_(log) {
  StartAfter(absl::ZeroDuration());
  FindOrStart();
}

absl::Duration KeeperWatch::patience() const {
  return keeper_.pidfd ? absl::InfiniteDuration() : kBetweenLooks;
}

void KeeperWatch::Update() {
  if (keeper_.pidfd) {
    if (!AwaitEnd(keeper_, absl::ZeroDuration())) return;
    log_(LogLevel::kWarning, absl::StrCat("keeper_ended pid=", keeper_.pid));
    back_off_.Ended(MonotonicTime() - found_at_);
    StartAfter(back_off_.pause());
    keeper_ = WatchedProcess();
  }
  FindOrStart();
}

void KeeperWatch::StartAfter(absl::Duration pause) {
  start_at_ = MonotonicTime() + (options_.notify_socket.empty() ? pause : kServiceManagerTime);
}

void KeeperWatch::FindOrStart() {
  if (child_pid_ > 0 && ::waitpid(child_pid_, nullptr, WNOHANG) != 0) child_pid_ = -1;
  auto found = FindRole(session_fd_, SessionRole::kKeeper);
  if (found.ok() && found->has_value()) {
    keeper_ = *std::move(*found);
    found_at_ = MonotonicTime();
    return;
  }
  if (MonotonicTime() < start_at_) return;
  start_at_ = MonotonicTime() + kAfterFailedStart;
  absl::StatusOr<WatchedProcess> keeper = Start();
  if (!keeper.ok()) {
    log_(LogLevel::kError,
         absl::StrCat("keeper_start_failed error=\"", keeper.status().ToString(), "\""));
    return;
  }
  log_(LogLevel::kWarning, absl::StrCat("keeper_started pid=", keeper->pid));
  child_pid_ = keeper->pid;
  keeper_ = *std::move(keeper);
  found_at_ = MonotonicTime();
}

absl::StatusOr<WatchedProcess> KeeperWatch::Start() const {
  const std::array<int, 4> inherited = {descriptors_.fuse.get(), session_fd_,
                                        descriptors_.state_directory.get(),
                                        descriptors_.store_directory.get()};
  return StartProgram(kThisProgram, KeeperArguments(options_, descriptors_, session_fd_, false),
                      inherited);
}

}  // namespace stowage
