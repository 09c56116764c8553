#include "fuse/worker_supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/monotonic_clock.h"
#include "base/status_macros.h"
#include "fuse/session_role.h"

namespace stowage {
namespace {

constexpr absl::Duration kAfterFailedStart = absl::Seconds(1);
constexpr absl::Duration kKillPatience = absl::Seconds(10);

bool IsReadable(int fd) {
  pollfd waiting = {fd, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1;
}

std::string DescribeEnd(int status) {
  return WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                             : absl::StrCat("exit ", WEXITSTATUS(status));
}

}  // namespace

WorkerSupervisor::WorkerSupervisor(const ServerOptions& options,
                                   const ServerDescriptors& descriptors, int session_fd,
                                   const LogFunction& log)
    : options_(options),
      descriptors_(descriptors),
      session_fd_(session_fd),
      log_(log),
      served_until_(MonotonicTime()) {}

absl::StatusOr<bool> WorkerSupervisor::AdoptHolder() {
  STOWAGE_ASSIGN_OR_RETURN(std::optional<WatchedProcess> holder,
                           FindRole(session_fd_, SessionRole::kWorker));
  if (!holder.has_value() || holder->pid == worker_.pid) return false;
  Kill();  // ours only waits for the role
  worker_ = *std::move(holder);
  serving_since_ = -absl::InfiniteDuration();
  log_(LogLevel::kInfo, absl::StrCat("worker_adopted pid=", worker_.pid));
  return true;
}

absl::Status WorkerSupervisor::Start() {
  next_start_ = MonotonicTime() + kAfterFailedStart;
  STOWAGE_ASSIGN_OR_RETURN(const bool adopted, AdoptHolder());
  if (adopted) return absl::OkStatus();
  std::array<int, 2> ready;
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "make a pipe");
  UniqueFd ready_reader(ready[0]);
  const UniqueFd ready_writer(ready[1]);
  const std::array<int, 5> inherited = {descriptors_.fuse.get(), session_fd_,
                                        descriptors_.state_directory.get(),
                                        descriptors_.store_directory.get(), ready_writer.get()};
  STOWAGE_ASSIGN_OR_RETURN(worker_, StartProgram(kThisProgram,
                                                 WorkerArguments(options_, descriptors_,
                                                                 session_fd_, ready_writer.get()),
                                                 inherited));
  ready_reader_ = std::move(ready_reader);
  serving_since_ = absl::InfiniteDuration();
  log_(LogLevel::kInfo, absl::StrCat("worker_started pid=", worker_.pid));
  return absl::OkStatus();
}

void WorkerSupervisor::Update() {
  // First the byte: a worker that wrote it and ended has served.
  if (ready_reader_ && IsReadable(ready_reader_.get())) {
    char byte;
    const bool ready = ::read(ready_reader_.get(), &byte, 1) == 1;
    if (ready) {
      ready_reader_.Reset();
      serving_since_ = MonotonicTime();
    } else {
      (void)AwaitEnd(worker_, kKillPatience);  // it closed the pipe by ending
    }
  }
  if (running() && IsReadable(worker_.pidfd.get())) Ended();
}

void WorkerSupervisor::Ended() {
  int status = 0;
  std::string how = "unknown";  // not ours to wait for: another keeper started it
  if (::waitpid(worker_.pid, &status, 0) == worker_.pid) how = DescribeEnd(status);
  log_(LogLevel::kWarning, absl::StrCat("worker_ended pid=", worker_.pid, " how=\"", how, "\""));
  const absl::Duration now = MonotonicTime();
  const absl::Duration served = now - serving_since_;
  if (served >= CrashBackOff::kShortLife) served_until_ = now;
  back_off_.Ended(served);
  next_start_ = now + back_off_.pause();
  worker_ = WatchedProcess();
  ready_reader_.Reset();
}

void WorkerSupervisor::Kill() {
  if (!running()) return;
  SignalPidfd(worker_.pidfd.get(), SIGKILL);
  if (!AwaitEnd(worker_, kKillPatience))
    log_(LogLevel::kError, absl::StrCat("worker_does_not_end pid=", worker_.pid));
  Update();
}

void WorkerSupervisor::AwaitOrKill(absl::Duration patience) {
  if (!running()) return;
  if (!AwaitEnd(worker_, patience)) SignalPidfd(worker_.pidfd.get(), SIGKILL);
  if (AwaitEnd(worker_, kKillPatience)) (void)::waitpid(worker_.pid, nullptr, WNOHANG);
  worker_ = WatchedProcess();
}

absl::Duration WorkerSupervisor::UnservedFor() const {
  return serving() ? absl::ZeroDuration() : MonotonicTime() - served_until_;
}

}  // namespace stowage
