#include "fuse/worker.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "fuse/backing_files.h"
#include "fuse/fault_log.h"
#include "fuse/file_system.h"
#include "fuse/fuse_operations.h"
#include "fuse/index_directory.h"
#include "fuse/init_reply.h"
#include "fuse/keeper_watch.h"
#include "fuse/libfuse_session.h"
#include "fuse/removed_objects.h"
#include "fuse/request_loop.h"
#include "fuse/request_slots.h"
#include "fuse/saved_session.h"
#include "fuse/session_role.h"
#include "fuse/store_files.h"
#include "fuse/waiting_requests.h"

namespace stowage {
namespace {

constexpr size_t kMaxOpenStoreFiles = 4096;
constexpr absl::Duration kRolePatience = absl::Seconds(10);  // of a predecessor that is ending
constexpr int kNotifyResend = 7;  // FUSE_NOTIFY_RESEND, Linux 6.9; not in Debian 12's headers

// Raises the limit of descriptors as far as it goes; returns how many store files to keep open.
size_t OpenFilesBudget() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // never above the hard limit, so always allowed
  return std::min<size_t>(kMaxOpenStoreFiles, limit.rlim_cur / 2);
}

// Has the kernel send again what it still waits for. Normally that is nothing, as the slots have
// been replayed.
void ResendRequests(int fuse_fd, const LogFunction& log) {
  fuse_out_header notification{};
  notification.len = sizeof notification;
  notification.error = kNotifyResend;
  if (::write(fuse_fd, &notification, sizeof notification) < 0)
    log(LogLevel::kDebug, absl::StrCat("resend_refused error=\"", std::strerror(errno), "\""));
}

absl::Status InitialiseSession(LibfuseSession& session, SavedSession& saved,
                               const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string reply,
                           session.Initialise(saved.init_request(), saved.data_mode()));
  if (saved.init_reply().empty()) return saved.SaveInitReply(reply);
  // The connection keeps what the first worker agreed on. Serving differently is still better than
  // not serving.
  if (saved.init_reply() != reply)
    log(LogLevel::kError, "init_reply_differs error=\"an earlier worker negotiated otherwise\"");
  return absl::OkStatus();
}

void WaitForEnd(const RequestLoop& loop, KeeperWatch& keeper) {
  while (true) {
    std::array<pollfd, 2> waiting = {{{loop.ended_fd(), POLLIN, 0}, {keeper.fd(), POLLIN, 0}}};
    const absl::Duration patience = keeper.patience();
    const int timeout_ms = patience == absl::InfiniteDuration()
                               ? -1
                               : static_cast<int>(absl::ToInt64Milliseconds(patience));
    (void)::poll(waiting.data(), waiting.size(), timeout_ms);  // EINTR: we look again
    if (waiting[0].revents != 0) return;
    keeper.Update();
  }
}

// Null if the kernel gives no inotify instance: then files stay open until others are needed more.
std::unique_ptr<RemovedObjects> WatchRemovedObjects(const ServerDescriptors& descriptors,
                                                    IndexDirectory& indexes, StoreFiles& files,
                                                    BackingFiles* backing, const LogFunction& log) {
  UniqueFd state_fd(::fcntl(descriptors.state_directory.get(), F_DUPFD_CLOEXEC, 3));
  auto watch = RemovedObjects::Watch(
      std::move(state_fd), [&indexes, &files, backing](std::optional<uint64_t> object_number) {
        indexes.ForgetObjects(object_number);
        files.Forget(object_number);
        if (backing != nullptr) backing->Forget(object_number);
      });
  if (watch.ok()) return *std::move(watch);
  log(LogLevel::kWarning,
      absl::StrCat("removed_objects_unwatched error=\"", watch.status().ToString(), "\""));
  return nullptr;
}

absl::StatusOr<std::unique_ptr<WaitingRequests>> StartWaiting(const ServerOptions& options,
                                                              const ServerDescriptors& descriptors,
                                                              const LogFunction& log) {
  UniqueFd state_fd(::fcntl(descriptors.state_directory.get(), F_DUPFD_CLOEXEC, 3));
  WaitingRequests::Options waiting;
  waiting.patience_away = absl::Seconds(options.stowaged_patience_seconds);
  waiting.log = log;
  return WaitingRequests::Start(std::move(state_fd), std::move(waiting));
}

}  // namespace

absl::Status RunWorker(const ServerOptions& options, ServerDescriptors descriptors,
                       UniqueFd ready_fd, const LogFunction& log) {
  (void)::signal(SIGINT, SIG_IGN);  // Ctrl-C goes to the whole group; the keeper decides
  (void)::signal(SIGPIPE, SIG_IGN);
  STOWAGE_ASSIGN_OR_RETURN(SavedSession saved, SavedSession::Adopt(std::move(descriptors.session)));
  STOWAGE_RETURN_IF_ERROR(AwaitRole(saved.fd(), SessionRole::kWorker, kRolePatience));
  UniqueFd session_fd(::fcntl(descriptors.fuse.get(), F_DUPFD_CLOEXEC, 3));
  if (!session_fd) return absl::ErrnoToStatus(errno, "duplicate the descriptor of /dev/fuse");
  UniqueFd state_fd(::fcntl(descriptors.state_directory.get(), F_DUPFD_CLOEXEC, 3));
  UniqueFd store_fd(::fcntl(descriptors.store_directory.get(), F_DUPFD_CLOEXEC, 3));

  FaultLog faults(log);
  IndexDirectory indexes(std::move(state_fd), &faults);
  StoreFiles files(std::move(store_fd), &faults, OpenFilesBudget());
  std::unique_ptr<BackingFiles> backing;
  if (saved.data_mode() == DataMode::kPassthrough) {
    STOWAGE_ASSIGN_OR_RETURN(backing, BackingFiles::TakeOver(saved, descriptors.fuse.get(), log));
  }
  const auto removed_objects = WatchRemovedObjects(descriptors, indexes, files, backing.get(), log);
  FileSystem file_system(&indexes, &files, &faults, backing.get());
  FuseServer server = {&file_system, nullptr, saved.extended_attributes()};
  STOWAGE_ASSIGN_OR_RETURN(const RequestSlots slots, RequestSlots::Map(saved));
  STOWAGE_ASSIGN_OR_RETURN(
      const std::unique_ptr<LibfuseSession> session,
      LibfuseSession::Create(FuseOperations(), &server, std::move(session_fd)));
  STOWAGE_RETURN_IF_ERROR(InitialiseSession(*session, saved, log));
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<WaitingRequests> waiting,
                           StartWaiting(options, descriptors, log));
  server.waiting = waiting.get();
  (void)!::write(ready_fd.get(), "1", 1);  // a keeper that is gone does not want it any more
  ready_fd.Reset();
  RequestLoop::Options loop_options;
  loop_options.threads = options.threads;
  const bool resend = options.resend && OffersResend(saved.init_request());
  loop_options.resend = resend;
  loop_options.log = log;
  loop_options.on_replayed = [&] {
    if (resend) ResendRequests(session->fd(), log);
  };
  STOWAGE_ASSIGN_OR_RETURN(const std::unique_ptr<RequestLoop> loop,
                           RequestLoop::Start(session.get(), &slots, std::move(loop_options)));
  KeeperWatch keeper(options, descriptors, saved.fd(), log);
  WaitForEnd(*loop, keeper);
  waiting.reset();  // it has slots of the loop; no handler runs any longer
  return absl::OkStatus();
}

}  // namespace stowage
