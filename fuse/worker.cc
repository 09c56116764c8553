#include "fuse/worker.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "fuse/fault_log.h"
#include "fuse/file_system.h"
#include "fuse/fuse_operations.h"
#include "fuse/index_directory.h"
#include "fuse/libfuse_session.h"
#include "fuse/process.h"
#include "fuse/removed_objects.h"
#include "fuse/request_loop.h"
#include "fuse/saved_session.h"
#include "fuse/store_files.h"

namespace stowage {
namespace {

constexpr size_t kMaxOpenStoreFiles = 4096;
constexpr int kKeeperRetryMs = 1000;
constexpr int kNotifyResend = 7;  // FUSE_NOTIFY_RESEND, Linux 6.9; not in Debian 12's headers

// Raises the limit of descriptors as far as it goes; returns how many store files to keep open.
size_t OpenFilesBudget() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // never above the hard limit, so always allowed
  return std::min<size_t>(kMaxOpenStoreFiles, limit.rlim_cur / 2);
}

// Has the kernel send again what an earlier worker read and did not answer. Kernels before 6.9
// refuse that; their callers wait until the connection ends.
void ResendRequests(int fuse_fd, const LogFunction& log) {
  fuse_out_header notification{};
  notification.len = sizeof notification;
  notification.error = kNotifyResend;
  if (::write(fuse_fd, &notification, sizeof notification) < 0)
    log(LogLevel::kInfo, absl::StrCat("resend_refused error=\"", std::strerror(errno), "\""));
}

absl::Status InitialiseSession(LibfuseSession& session, SavedSession& saved,
                               const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string reply, session.Initialise(saved.init_request()));
  if (saved.init_reply().empty()) return saved.SaveInitReply(reply);
  // The connection keeps what the first worker agreed on. Serving differently is still better than
  // not serving.
  if (saved.init_reply() != reply)
    log(LogLevel::kError, "init_reply_differs error=\"an earlier worker negotiated otherwise\"");
  return absl::OkStatus();
}

// The keeper as the worker sees it.
class KeeperWatch {
 public:
  KeeperWatch(const ServerOptions& options, const ServerDescriptors& descriptors,
              UniqueFd keeper_fd, const LogFunction& log)
      : options_(options), descriptors_(descriptors), keeper_fd_(std::move(keeper_fd)), log_(log) {}

  // -1, which poll(2) leaves out, while there is none.
  int fd() const { return keeper_fd_.get(); }

  // The keeper is gone, or the last attempt to start one failed.
  void Replace() {
    if (child_pid_ > 0) (void)::waitpid(child_pid_, nullptr, WNOHANG);
    child_pid_ = -1;
    keeper_fd_.Reset();
    absl::StatusOr<ChildProcess> keeper = Start();
    if (!keeper.ok()) {
      log_(LogLevel::kError,
           absl::StrCat("keeper_start_failed error=\"", keeper.status().ToString(), "\""));
      return;
    }
    log_(LogLevel::kWarning, absl::StrCat("keeper_replaced pid=", keeper->pid));
    child_pid_ = keeper->pid;
    keeper_fd_ = std::move(keeper->pidfd);
  }

 private:
  absl::StatusOr<ChildProcess> Start() const {
    STOWAGE_ASSIGN_OR_RETURN(const UniqueFd self, OpenPidfd(::getpid()));
    const std::array<int, 5> inherited = {descriptors_.fuse.get(), descriptors_.session.get(),
                                          descriptors_.state_directory.get(),
                                          descriptors_.store_directory.get(), self.get()};
    return StartSelf(KeeperArguments(options_, descriptors_, self.get()), inherited);
  }

  const ServerOptions& options_;
  const ServerDescriptors& descriptors_;
  UniqueFd keeper_fd_;
  pid_t child_pid_ = -1;  // of a keeper that we started
  const LogFunction& log_;
};

void WaitForEnd(const RequestLoop& loop, KeeperWatch& keeper) {
  while (true) {
    std::array<pollfd, 2> waiting = {{{loop.ended_fd(), POLLIN, 0}, {keeper.fd(), POLLIN, 0}}};
    const bool have_keeper = keeper.fd() >= 0;
    // EINTR: nothing is set, and we look again.
    (void)::poll(waiting.data(), waiting.size(), have_keeper ? -1 : kKeeperRetryMs);
    if (waiting[0].revents != 0) return;
    if (waiting[1].revents != 0 || !have_keeper) {
      keeper.Replace();
      // One that ends at once must not make us start hundreds a second.
      (void)::poll(waiting.data(), 1, kKeeperRetryMs);
    }
  }
}

// Null if the kernel gives no inotify instance: then files stay open until others are needed more.
std::unique_ptr<RemovedObjects> WatchRemovedObjects(const ServerDescriptors& descriptors,
                                                    StoreFiles& files, const LogFunction& log) {
  UniqueFd state_fd(::fcntl(descriptors.state_directory.get(), F_DUPFD_CLOEXEC, 3));
  auto watch = RemovedObjects::Watch(
      std::move(state_fd),
      [&files](std::optional<uint64_t> object_number) { files.Forget(object_number); });
  if (watch.ok()) return *std::move(watch);
  log(LogLevel::kWarning,
      absl::StrCat("removed_objects_unwatched error=\"", watch.status().ToString(), "\""));
  return nullptr;
}

}  // namespace

absl::Status RunWorker(const ServerOptions& options, ServerDescriptors descriptors,
                       UniqueFd keeper_fd, UniqueFd ready_fd, const LogFunction& log) {
  (void)::signal(SIGINT, SIG_IGN);  // Ctrl-C goes to the whole group; the keeper decides
  (void)::signal(SIGPIPE, SIG_IGN);
  UniqueFd session_fd(::fcntl(descriptors.fuse.get(), F_DUPFD_CLOEXEC, 3));
  if (!session_fd) return absl::ErrnoToStatus(errno, "duplicate the descriptor of /dev/fuse");
  UniqueFd saved_fd(::fcntl(descriptors.session.get(), F_DUPFD_CLOEXEC, 3));
  STOWAGE_ASSIGN_OR_RETURN(SavedSession saved, SavedSession::Adopt(std::move(saved_fd)));
  UniqueFd state_fd(::fcntl(descriptors.state_directory.get(), F_DUPFD_CLOEXEC, 3));
  UniqueFd store_fd(::fcntl(descriptors.store_directory.get(), F_DUPFD_CLOEXEC, 3));

  FaultLog faults(log);
  IndexDirectory indexes(std::move(state_fd), &faults);
  StoreFiles files(std::move(store_fd), &faults, OpenFilesBudget());
  const auto removed_objects = WatchRemovedObjects(descriptors, files, log);
  FileSystem file_system(&indexes, &files, &faults);
  STOWAGE_ASSIGN_OR_RETURN(
      const std::unique_ptr<LibfuseSession> session,
      LibfuseSession::Create(FuseOperations(), &file_system, std::move(session_fd)));
  STOWAGE_RETURN_IF_ERROR(InitialiseSession(*session, saved, log));
  ResendRequests(session->fd(), log);
  STOWAGE_ASSIGN_OR_RETURN(const std::unique_ptr<RequestLoop> loop,
                           RequestLoop::Start(session.get(), options.threads, log));
  (void)!::write(ready_fd.get(), "1", 1);  // only the first worker's keeper waits for it
  ready_fd.Reset();
  KeeperWatch keeper(options, descriptors, std::move(keeper_fd), log);
  WaitForEnd(*loop, keeper);
  return absl::OkStatus();
}

}  // namespace stowage
