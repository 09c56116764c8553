#include "fuse/keeper_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/monotonic_clock.h"
#include "base/status_macros.h"
#include "fuse/lost_overlays.h"
#include "fuse/process.h"

namespace stowage {
namespace {

constexpr absl::Duration kReadyPatience = absl::Seconds(30);
constexpr absl::Duration kEndPatience = absl::Seconds(2);
constexpr absl::Duration kBetweenStores = absl::Seconds(1);
constexpr absl::Duration kCheckPatience = absl::Seconds(10);

// Rounded up: a wait that ends too early would be repeated many times.
int PollTimeout(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return -1;
  return static_cast<int>(
      absl::ToInt64Milliseconds(std::max(duration, absl::ZeroDuration()) + absl::Milliseconds(1)));
}

}  // namespace

absl::StatusOr<UniqueFd> TakeSignals() {
  (void)::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0)
    return absl::ErrnoToStatus(errno, "block signals");
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return absl::ErrnoToStatus(errno, "make a signalfd");
  return fd;
}

KeeperLoop::KeeperLoop(const ServerOptions& options, Parts parts, const LogFunction& log)
    : options_(options),
      descriptors_(std::move(parts.descriptors)),
      saved_(std::move(parts.saved)),
      mount_(std::move(parts.mount)),
      signals_(std::move(parts.signals)),
      on_serving_(std::move(parts.on_serving)),
      store_descriptors_(std::move(parts.store_descriptors)),
      log_(log),
      worker_(options_, descriptors_, saved_.fd(), log_) {
  StoreDescriptors();
}

absl::Status KeeperLoop::AwaitServing() {
  const absl::Duration deadline = MonotonicTime() + kReadyPatience;
  while (worker_.running() && !worker_.serving()) {
    pollfd waiting = {worker_.ready_fd(), POLLIN, 0};
    if (::poll(&waiting, 1, PollTimeout(deadline - MonotonicTime())) == 0)
      return absl::DeadlineExceededError("the worker did not begin to serve");
    UpdateWorker();
  }
  if (worker_.serving()) return absl::OkStatus();
  return absl::InternalError("the worker ended before it served; its own message says why");
}

void KeeperLoop::UpdateWorker() {
  worker_.Update();
  if (worker_.serving() && on_serving_ != nullptr) std::exchange(on_serving_, nullptr)();
}

// With a copy in the service manager, keeper and worker can both be killed. Without one its next
// keeper would only find a mount that is alive.
void KeeperLoop::StoreDescriptors() {
  if (store_descriptors_ == nullptr || MonotonicTime() < next_store_) return;
  const absl::Status status = store_descriptors_();
  if (status.ok()) {
    store_descriptors_ = nullptr;
    return;
  }
  if (next_store_ == absl::ZeroDuration())  // the first of many
    log_(LogLevel::kWarning,
         absl::StrCat("descriptors_not_stored error=\"", status.ToString(), "; trying again\""));
  next_store_ = MonotonicTime() + kBetweenStores;
}

int KeeperLoop::Wait() {
  absl::Duration timeout = absl::InfiniteDuration();
  const absl::Duration limit = absl::Seconds(options_.give_up_after_seconds);
  if (!worker_.serving()) timeout = limit - worker_.UnservedFor();
  if (!worker_.running()) timeout = std::min(timeout, worker_.next_start() - MonotonicTime());
  if (store_descriptors_ != nullptr) timeout = std::min(timeout, next_store_ - MonotonicTime());
  std::array<pollfd, 3> waiting = {{{signals_.get(), POLLIN, 0},
                                    {worker_.ended_fd(), POLLIN, 0},
                                    {worker_.ready_fd(), POLLIN, 0}}};
  // EINTR: the caller looks again.
  (void)::poll(waiting.data(), waiting.size(), PollTimeout(timeout));
  signalfd_siginfo signal{};
  return ::read(signals_.get(), &signal, sizeof signal) == sizeof signal
             ? static_cast<int>(signal.ssi_signo)
             : 0;
}

absl::Status KeeperLoop::KeepUntilEnd() {
  while (true) {
    UpdateWorker();  // one that was adopted serves already
    const int signal = Wait();
    if (signal == SIGTERM || signal == SIGINT) {
      log_(LogLevel::kInfo, "ending reason=signal");
      return End();
    }
    if (signal == SIGHUP) ReplaceProgram();
    StoreDescriptors();
    UpdateWorker();
    if (!worker_.running() && !IsConnected(descriptors_.fuse.get())) {
      log_(LogLevel::kInfo, "ending reason=unmounted");
      return End();
    }
    if (worker_.UnservedFor() >= absl::Seconds(options_.give_up_after_seconds) &&
        !worker_.AdoptHolder().value_or(false))
      return GiveUp();
    if (worker_.running() || MonotonicTime() < worker_.next_start()) continue;
    if (const absl::Status status = worker_.Start(); !status.ok())
      log_(LogLevel::kError, absl::StrCat("worker_start_failed error=\"", status.ToString(), "\""));
  }
}

absl::Status KeeperLoop::CheckNewProgram() const {
  const std::array<int, 1> inherited = {saved_.fd()};
  STOWAGE_ASSIGN_OR_RETURN(
      const WatchedProcess check,
      StartProgram(options_.program, {"check", absl::StrCat("--session-fd=", saved_.fd())},
                   inherited));
  if (!AwaitEnd(check, kCheckPatience)) SignalPidfd(check.pidfd.get(), SIGKILL);
  int status = 0;
  (void)::waitpid(check.pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      options_.program, " cannot go on where this program is; its own message says why"));
}

void KeeperLoop::ReplaceProgram() {
  log_(LogLevel::kInfo, absl::StrCat("replacing_program program=", options_.program));
  absl::Status status = CheckNewProgram();
  if (status.ok()) {
    const std::array<int, 4> inherited = {descriptors_.fuse.get(), saved_.fd(),
                                          descriptors_.state_directory.get(),
                                          descriptors_.store_directory.get()};
    status = BecomeProgram(options_.program,
                           KeeperArguments(options_, descriptors_, saved_.fd(), true), inherited);
  }
  log_(LogLevel::kError,
       absl::StrCat("program_not_replaced error=\"", status.message(), "; this program goes on\""));
}

absl::Status KeeperLoop::GiveUp() {
  const std::string error =
      absl::StrCat("no worker served ", mount_.mount_point, " for ", options_.give_up_after_seconds,
                   " s; the connection is ended, so that nobody waits for it any longer");
  log_(LogLevel::kError, absl::StrCat("mount_given_up error=\"", error, "\""));
  LogLostOverlays(mount_, log_);
  (void)End();
  return absl::UnavailableError(error);
}

absl::Status KeeperLoop::End() {
  const absl::Status status = EndFuseMount(mount_, descriptors_.fuse.get());
  worker_.AwaitOrKill(kEndPatience);
  return status;
}

}  // namespace stowage
