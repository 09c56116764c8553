#include "fuse/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/service_manager.h"
#include "base/status_macros.h"
#include "fuse/mount.h"
#include "fuse/process.h"
#include "fuse/saved_session.h"

namespace stowage {
namespace {

constexpr int kReadAheadKib = 1024;
constexpr int kReadyTimeoutMs = 30'000;
constexpr int kEndTimeoutMs = 2'000;
constexpr absl::Duration kShortLife = absl::Seconds(1);
constexpr absl::Duration kMaxBackOff = absl::Seconds(1);

absl::StatusOr<UniqueFd> TakeSignals() {
  (void)::signal(SIGHUP, SIG_IGN);
  (void)::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0)
    return absl::ErrnoToStatus(errno, "block signals");
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, "make a signalfd");
  return fd;
}

bool IsReadable(int fd, int timeout_ms) {
  pollfd waiting = {fd, POLLIN, 0};
  int count;
  do {
    count = ::poll(&waiting, 1, timeout_ms);
  } while (count < 0 && errno == EINTR);
  return count == 1;
}

// How long to wait before the next worker when several in a row lived shortly.
absl::Duration BackOff(int short_lives) {
  if (short_lives <= 1) return absl::ZeroDuration();
  return std::min(kMaxBackOff, absl::Milliseconds(10) * (1 << std::min(short_lives, 10)));
}

class Keeper {
 public:
  Keeper(const ServerOptions& options, ServerDescriptors descriptors, FuseMount mount,
         UniqueFd signals, const LogFunction& log)
      : options_(options),
        descriptors_(std::move(descriptors)),
        mount_(std::move(mount)),
        signals_(std::move(signals)),
        log_(log) {}

  // ready_timeout_ms: how long to wait until the worker serves; 0: do not wait.
  absl::Status StartWorker(int ready_timeout_ms);
  // It is our parent: it started us.
  void AdoptWorker(UniqueFd worker_fd) {
    worker_.pid = ::getppid();
    worker_.pidfd = std::move(worker_fd);
    started_at_ = absl::Now();
  }
  absl::Status KeepUntilEnd();
  absl::Status End();
  const FuseMount& mount() const { return mount_; }

 private:
  // True: a signal asked for the end while we waited. Without a worker waits `delay` at most.
  bool WaitForWorkerOrSignal(absl::Duration delay);
  void ReapWorker();
  bool IsConnected() const;

  const ServerOptions& options_;
  const ServerDescriptors descriptors_;  // but fuse, which mount_ holds
  const FuseMount mount_;
  const UniqueFd signals_;
  const LogFunction& log_;
  ChildProcess worker_;  // no pidfd: none
  absl::Time started_at_;
  int short_lives_ = 0;
};

absl::Status Keeper::StartWorker(int ready_timeout_ms) {
  std::array<int, 2> ready;
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "make a pipe");
  const UniqueFd ready_reader(ready[0]);
  UniqueFd ready_writer(ready[1]);
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd self, OpenPidfd(::getpid()));
  const std::array<int, 6> inherited = {descriptors_.fuse.get(),
                                        descriptors_.session.get(),
                                        descriptors_.state_directory.get(),
                                        descriptors_.store_directory.get(),
                                        self.get(),
                                        ready_writer.get()};
  STOWAGE_ASSIGN_OR_RETURN(
      worker_, StartSelf(WorkerArguments(options_, descriptors_, self.get(), ready_writer.get()),
                         inherited));
  started_at_ = absl::Now();
  ready_writer.Reset();
  log_(LogLevel::kInfo, absl::StrCat("worker_started pid=", worker_.pid));
  if (ready_timeout_ms == 0) return absl::OkStatus();
  char byte;
  if (!IsReadable(ready_reader.get(), ready_timeout_ms))
    return absl::DeadlineExceededError("the worker did not begin to serve");
  if (::read(ready_reader.get(), &byte, 1) != 1)
    return absl::InternalError("the worker ended before it served; its own message says why");
  return absl::OkStatus();
}

bool Keeper::WaitForWorkerOrSignal(absl::Duration delay) {
  std::array<pollfd, 2> waiting = {{{signals_.get(), POLLIN, 0}, {worker_.pidfd.get(), POLLIN, 0}}};
  const int timeout_ms = worker_.pidfd ? -1 : static_cast<int>(absl::ToInt64Milliseconds(delay));
  (void)::poll(waiting.data(), waiting.size(), timeout_ms);  // EINTR: the caller looks again
  return waiting[0].revents != 0;
}

void Keeper::ReapWorker() {
  int status = 0;
  std::string how = "unknown";  // not ours to wait for: another keeper started it
  if (worker_.pid > 0 && ::waitpid(worker_.pid, &status, 0) == worker_.pid)
    how = WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                              : absl::StrCat("exit ", WEXITSTATUS(status));
  log_(LogLevel::kWarning, absl::StrCat("worker_ended pid=", worker_.pid, " how=\"", how, "\""));
  worker_ = ChildProcess();
  short_lives_ = absl::Now() - started_at_ < kShortLife ? short_lives_ + 1 : 0;
}

bool Keeper::IsConnected() const {
  pollfd device = {descriptors_.fuse.get(), 0, 0};
  return ::poll(&device, 1, 0) >= 0 && (device.revents & POLLERR) == 0;
}

absl::Status Keeper::KeepUntilEnd() {
  absl::Time next_start = absl::InfinitePast();
  while (true) {
    if (WaitForWorkerOrSignal(next_start - absl::Now())) {
      log_(LogLevel::kInfo, "ending reason=signal");
      return End();
    }
    if (worker_.pidfd) {
      if (!IsReadable(worker_.pidfd.get(), 0)) continue;
      ReapWorker();
      next_start = absl::Now() + BackOff(short_lives_);
    }
    if (!IsConnected()) {
      log_(LogLevel::kInfo, "ending reason=unmounted");
      return End();
    }
    if (absl::Now() < next_start) continue;
    if (const absl::Status status = StartWorker(0); !status.ok()) {
      log_(LogLevel::kError, absl::StrCat("worker_start_failed error=\"", status.ToString(), "\""));
      next_start = absl::Now() + kMaxBackOff;
    }
  }
}

absl::Status Keeper::End() {
  const absl::Status status = EndFuseMount(mount_);
  if (!worker_.pidfd) return status;
  if (!IsReadable(worker_.pidfd.get(), kEndTimeoutMs)) {
    SignalPidfd(worker_.pidfd.get(), SIGKILL);
    (void)IsReadable(worker_.pidfd.get(), kEndTimeoutMs);
  }
  if (worker_.pid > 0) (void)::waitpid(worker_.pid, nullptr, WNOHANG);
  return status;
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path, absl::string_view what) {
  absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, path, O_PATH | O_DIRECTORY);
  if (!fd.ok()) return Annotate(fd.status(), what);
  return fd;
}

absl::StatusOr<UniqueFd> Duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return absl::ErrnoToStatus(errno, "duplicate a descriptor");
  return copy;
}

}  // namespace

absl::Status RunKeeper(const ServerOptions& options, const std::string& state_directory,
                       const std::string& store_directory, const std::function<void()>& on_mounted,
                       const LogFunction& log) {
  ServerDescriptors descriptors;
  STOWAGE_ASSIGN_OR_RETURN(
      descriptors.state_directory,
      OpenDirectory(state_directory, "state directory (--state; stowaged makes it)"));
  STOWAGE_ASSIGN_OR_RETURN(
      descriptors.store_directory,
      OpenDirectory(store_directory, "Nix store (--store; is Nix installed?)"));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd signals, TakeSignals());
  STOWAGE_ASSIGN_OR_RETURN(FuseMount mount, MountFuse(options.mount_point));
  (void)::chdir("/");  // never inside a mount

  // From here on every way out has to end the mount.
  ServerOptions resolved = options;
  resolved.mount_point = mount.mount_point;
  const auto prepare = [&]() -> absl::Status {
    STOWAGE_ASSIGN_OR_RETURN(const std::string init_request, ReadInitRequest(mount.fd.get()));
    STOWAGE_ASSIGN_OR_RETURN(const SavedSession saved, SavedSession::Create(init_request));
    STOWAGE_ASSIGN_OR_RETURN(descriptors.session, Duplicate(saved.fd()));
    STOWAGE_ASSIGN_OR_RETURN(descriptors.fuse, Duplicate(mount.fd.get()));
    return absl::OkStatus();
  };
  if (const absl::Status status = prepare(); !status.ok()) {
    (void)EndFuseMount(mount);
    return status;
  }
  Keeper keeper(resolved, std::move(descriptors), std::move(mount), std::move(signals), log);
  if (const absl::Status status = keeper.StartWorker(kReadyTimeoutMs); !status.ok()) {
    (void)keeper.End();
    return status;
  }
  if (const absl::Status status = SetReadAhead(keeper.mount(), kReadAheadKib); !status.ok())
    log(LogLevel::kWarning, absl::StrCat("read_ahead_not_set error=\"", status.ToString(), "\""));
  if (const absl::Status status = NotifyServiceManager(options.notify_socket, "READY=1");
      !status.ok())
    log(LogLevel::kWarning, absl::StrCat("notify_failed error=\"", status.ToString(), "\""));
  on_mounted();
  return keeper.KeepUntilEnd();
}

absl::Status RunAdoptingKeeper(const ServerOptions& options, ServerDescriptors descriptors,
                               UniqueFd worker_fd, const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd signals, TakeSignals());
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fuse_fd, Duplicate(descriptors.fuse.get()));
  STOWAGE_ASSIGN_OR_RETURN(FuseMount mount,
                           AdoptFuseMount(std::move(fuse_fd), options.mount_point));
  Keeper keeper(options, std::move(descriptors), std::move(mount), std::move(signals), log);
  keeper.AdoptWorker(std::move(worker_fd));
  return keeper.KeepUntilEnd();
}

}  // namespace stowage
