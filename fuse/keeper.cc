#include "fuse/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/service_manager.h"
#include "base/status_macros.h"
#include "fuse/keeper_loop.h"
#include "fuse/mount.h"
#include "fuse/process.h"
#include "fuse/saved_session.h"
#include "fuse/session_role.h"

namespace stowage {
namespace {

constexpr int kReadAheadKib = 1024;
constexpr absl::Duration kRolePatience = absl::Seconds(10);

void WarnUnlessOk(const absl::Status& status, absl::string_view event, const LogFunction& log) {
  if (!status.ok())
    log(LogLevel::kWarning, absl::StrCat(event, " error=\"", status.ToString(), "\""));
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path, absl::string_view what) {
  absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, path, O_PATH | O_DIRECTORY);
  if (!fd.ok()) return Annotate(fd.status(), what);
  return fd;
}

absl::Status StoreDescriptors(const ServerOptions& options, int fuse_fd, int session_fd) {
  // In this order: whoever finds the second has the first too.
  STOWAGE_RETURN_IF_ERROR(StoreDescriptor(options.notify_socket, kStoredSessionName, session_fd));
  return StoreDescriptor(options.notify_socket, kStoredFuseName, fuse_fd);
}

void ForgetStoredDescriptors(const ServerOptions& options, const LogFunction& log) {
  for (const char* name : {kStoredFuseName, kStoredSessionName})
    WarnUnlessOk(ForgetDescriptors(options.notify_socket, name), "descriptors_not_forgotten", log);
}

// One keeper per session: a later one that was given the descriptors replaces an earlier one.
// Nothing is lost with a keeper that is killed.
absl::Status DisplaceKeeper(int session_fd, const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(const std::optional<WatchedProcess> other,
                           FindRole(session_fd, SessionRole::kKeeper));
  if (other.has_value()) {
    log(LogLevel::kInfo, absl::StrCat("keeper_replaced pid=", other->pid));
    SignalPidfd(other->pidfd.get(), SIGKILL);
  }
  return AwaitRole(session_fd, SessionRole::kKeeper, kRolePatience);
}

// For both ways to take over a mount that is there; fills in parts.mount. From here on nothing may
// end it but the end that was asked for.
absl::Status TakeOver(const ServerOptions& options, KeeperLoop::Parts parts, bool replace_worker,
                      const LogFunction& log) {
  STOWAGE_RETURN_IF_ERROR(parts.saved.Stamp());
  parts.mount = {parts.saved.mount_point(), parts.saved.device()};
  KeeperLoop loop(options, std::move(parts), log);
  STOWAGE_RETURN_IF_ERROR(loop.worker().AdoptHolder().status());
  if (replace_worker) loop.worker().Kill();
  const absl::Status status = loop.KeepUntilEnd();
  ForgetStoredDescriptors(options, log);
  return status;
}

// For a mount that is there and keeps what it is.
void WarnOfOtherWishes(const SavedSession& saved, const absl::StatusOr<FuseConfig>& wanted,
                       const LogFunction& log) {
  if (!wanted.ok()) return WarnUnlessOk(wanted.status(), "configuration_ignored", log);
  constexpr char kReason[] =
      " error=\"it is the mount's, for its life; stop the service to change it\"";
  if (wanted->data != DataModeName(saved.data_mode()) && wanted->data != "auto")
    log(LogLevel::kWarning, absl::StrCat("data_mode_kept data=", DataModeName(saved.data_mode()),
                                         " wanted=", wanted->data, kReason));
  if (wanted->extended_attributes != saved.extended_attributes())
    log(LogLevel::kWarning, absl::StrCat("extended_attributes_kept extended_attributes=",
                                         saved.extended_attributes() ? "true" : "false", " wanted=",
                                         wanted->extended_attributes ? "true" : "false", kReason));
}

absl::StatusOr<SavedSession> SaveSession(const NewFuseMount& made,
                                         const ConnectionSettings& settings) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string init_request, ReadInitRequest(made.fd.get()));
  STOWAGE_ASSIGN_OR_RETURN(
      SavedSession saved,
      SavedSession::Create(made.mount.mount_point, made.mount.device, init_request, settings));
  STOWAGE_RETURN_IF_ERROR(AwaitRole(saved.fd(), SessionRole::kKeeper, absl::ZeroDuration()));
  return saved;
}

// What a keeper has before it has a mount.
struct Beginning {
  ConnectionSettings settings;
  std::string selinux_context;
  ServerDescriptors descriptors;
  UniqueFd signals;
  std::function<void()> on_serving;
};

absl::Status MountAndKeep(const ServerOptions& options, Beginning beginning,
                          const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(NewFuseMount made, MountFuse(options.mount_point, beginning.settings,
                                                        beginning.selinux_context, log));
  // From here on every way out has to end the mount.
  absl::StatusOr<SavedSession> saved = SaveSession(made, beginning.settings);
  if (!saved.ok()) {
    (void)EndFuseMount(made.mount, made.fd.get());
    return saved.status();
  }
  const auto store = [&options, fuse_fd = made.fd.get(), session_fd = saved->fd()] {
    return StoreDescriptors(options, fuse_fd, session_fd);
  };
  beginning.descriptors.fuse = std::move(made.fd);
  KeeperLoop loop(options,
                  {std::move(beginning.descriptors), *std::move(saved), made.mount,
                   std::move(beginning.signals), std::move(beginning.on_serving), store},
                  log);
  absl::Status status = loop.worker().Start();
  if (status.ok()) status = loop.AwaitServing();
  if (status.ok()) {
    WarnUnlessOk(SetReadAhead(made.mount, kReadAheadKib), "read_ahead_not_set", log);
    status = loop.KeepUntilEnd();
  } else {
    (void)loop.End();
  }
  ForgetStoredDescriptors(options, log);
  return status;
}

}  // namespace

absl::Status RunKeeper(const ServerOptions& options, KeeperStart start, const LogFunction& log) {
  ServerDescriptors descriptors;
  STOWAGE_ASSIGN_OR_RETURN(
      descriptors.state_directory,
      OpenDirectory(start.state_directory, "state directory (--state; stowaged makes it)"));
  STOWAGE_ASSIGN_OR_RETURN(
      descriptors.store_directory,
      OpenDirectory(start.store_directory, "Nix store (--store; is Nix installed?)"));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd signals, TakeSignals());
  (void)::chdir("/");  // never inside a mount
  ServerOptions resolved = options;
  STOWAGE_ASSIGN_OR_RETURN(resolved.mount_point, ResolveMountPoint(options.mount_point));
  const auto announce = [&] {
    WarnUnlessOk(NotifyServiceManager(options.notify_socket, "READY=1"), "notify_failed", log);
    start.on_serving(resolved.mount_point);
  };
  StoredDescriptors stored = std::move(start.stored);
  if (stored.fuse && stored.session && IsConnected(stored.fuse.get())) {
    STOWAGE_ASSIGN_OR_RETURN(SavedSession saved, SavedSession::Adopt(std::move(stored.session)));
    STOWAGE_RETURN_IF_ERROR(DisplaceKeeper(saved.fd(), log));
    log(LogLevel::kInfo, absl::StrCat("mount_taken_over mountpoint=", saved.mount_point()));
    if (saved.mount_point() != resolved.mount_point)
      log(LogLevel::kWarning, absl::StrCat("mountpoint_kept mountpoint=", saved.mount_point(),
                                           " wanted=", resolved.mount_point,
                                           " error=\"it is in use; stop the service to move it\""));
    resolved.mount_point = saved.mount_point();
    WarnOfOtherWishes(saved, start.wanted, log);
    descriptors.fuse = std::move(stored.fuse);
    return TakeOver(
        resolved, {std::move(descriptors), std::move(saved), {}, std::move(signals), announce, {}},
        /*replace_worker=*/true, log);
  }
  stored = StoredDescriptors();
  ForgetStoredDescriptors(options, log);
  STOWAGE_ASSIGN_OR_RETURN(const FuseConfig wanted, std::move(start.wanted));
  STOWAGE_ASSIGN_OR_RETURN(const DataMode data_mode,
                           ChooseDataMode(wanted.data, descriptors.store_directory.get(), log));
  return MountAndKeep(resolved,
                      {{data_mode, wanted.extended_attributes},
                       wanted.selinux_context,
                       std::move(descriptors),
                       std::move(signals),
                       announce},
                      log);
}

absl::Status RunAdoptingKeeper(const ServerOptions& options, ServerDescriptors descriptors,
                               bool replace_worker, const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd signals, TakeSignals());
  STOWAGE_ASSIGN_OR_RETURN(SavedSession saved, SavedSession::Adopt(std::move(descriptors.session)));
  STOWAGE_ASSIGN_OR_RETURN(const bool taken, TakeRole(saved.fd(), SessionRole::kKeeper));
  if (!taken) return absl::OkStatus();
  return TakeOver(options,
                  {std::move(descriptors), std::move(saved), {}, std::move(signals), {}, {}},
                  replace_worker, log);
}

absl::Status CheckSession(UniqueFd session) {
  return SavedSession::Adopt(std::move(session)).status();
}

}  // namespace stowage
