#include "fuse/mount.h"

#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/fuse_mount_source.h"
#include "base/status_macros.h"
#include "fuse/connection_control.h"
#include "fuse/init_reply.h"
#include "fuse/lost_overlays.h"
#include "fuse/mount_table.h"
#include "fuse/selinux_option.h"

namespace stowage {
namespace {

constexpr char kFileSystemType[] = "fuse.stowage";
constexpr int kInitTimeoutMs = 10'000;
constexpr int kProbeTimeoutMs = 2'000;

void SleepMs(int milliseconds) {
  const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  (void)::nanosleep(&time, nullptr);
}

// Whether the connection behind a mount has been ended. Asked by a child, because the answer of a
// mount whose worker is away never comes.
bool IsDeadMount(const std::string& mount_point) {
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    struct statfs statistics;
    // ECONNABORTED: it ended while we asked.
    const bool dead = ::statfs(mount_point.c_str(), &statistics) != 0 &&
                      (errno == ENOTCONN || errno == ECONNABORTED);
    ::_exit(dead ? 0 : 1);
  }
  for (int waited_ms = 0; waited_ms < kProbeTimeoutMs; waited_ms += 10) {
    int status;
    if (::waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    SleepMs(10);
  }
  (void)::kill(child, SIGKILL);  // its request was not read by anybody, so it can be killed
  (void)::waitpid(child, nullptr, WNOHANG);
  return false;
}

// Detaches dead mounts of ours at the place until nothing is mounted there.
absl::Status ClearMountPoint(const std::string& mount_point, const LogFunction& log) {
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> mounts, MountsAt(mount_point));
    if (mounts.empty()) return absl::OkStatus();
    const MountInfo& top = mounts.back();
    if (top.file_system_type != kFileSystemType)
      return absl::FailedPreconditionError(
          absl::StrCat("mount at ", mount_point, ": a file system of type ", top.file_system_type,
                       " is mounted there; unmount it or choose another place by --mountpoint"));
    if (!IsDeadMount(mount_point))
      return absl::FailedPreconditionError(absl::StrCat(
          "mount at ", mount_point,
          ": a stowage-fuse that is alive is mounted there; SIGHUP to its keeper replaces its "
          "program, SIGTERM ends it; or choose another place by --mountpoint"));
    if (::umount2(mount_point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("detach the dead mount at ", mount_point));
    log(LogLevel::kWarning,
        absl::StrCat("dead_mount_detached mountpoint=", mount_point,
                     " error=\"an earlier server lost it: keeper and worker were both killed, and "
                     "no service manager kept its descriptor\""));
    LogLostOverlays({mount_point, top.device}, log);
  }
}

// "" if no mount of ours is uppermost there.
absl::StatusOr<std::string> DeviceMountedAt(const std::string& mount_point) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> mounts, MountsAt(mount_point));
  if (mounts.empty() || mounts.back().file_system_type != kFileSystemType) return "";
  return mounts.back().device;
}

absl::Status CallMount(int fuse_fd, const std::string& mount_point,
                       const ConnectionSettings& settings, const std::string& selinux_context) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string label, SelinuxMountOption(selinux_context));
  const std::string source = FuseMountSource(
      {std::string(DataModeName(settings.data_mode)), settings.extended_attributes});
  const std::string data =
      absl::StrCat("fd=", fuse_fd,
                   ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", label);
  if (::mount(source.c_str(), mount_point.c_str(), kFileSystemType,
              MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOATIME, data.c_str()) == 0)
    return absl::OkStatus();
  const int error = errno;
  if (error == EPERM)
    return absl::PermissionDeniedError(
        absl::StrCat("mount at ", mount_point, ": ", std::strerror(error),
                     "; run as root with CAP_SYS_ADMIN, or with --rootless"));
  const std::string context =
      label.empty() ? "" : absl::StrCat(" with SELinux context ", selinux_context);
  return absl::ErrnoToStatus(error, absl::StrCat("mount at ", mount_point, context));
}

}  // namespace

absl::StatusOr<UniqueFd> OpenFuseDevice() {
  UniqueFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
    return absl::NotFoundError(
        absl::StrCat("open /dev/fuse: ", std::strerror(errno),
                     "; load the module (modprobe fuse), or in a container pass the device "
                     "(--device /dev/fuse)"));
  return absl::ErrnoToStatus(errno,
                             "open /dev/fuse; run as root, in a container allow the device, and "
                             "for ordinary users make its mode 0666, as udev does");
}

absl::StatusOr<std::string> ResolveMountPoint(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || path.size() == 1)
    return absl::InvalidArgumentError(
        absl::StrCat("mount at '", path, "': not an absolute path below /"));
  const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(parent));
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(parent.c_str(), nullptr), ::free);
  if (real == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("resolve ", parent));
  const std::string base = std::strcmp(real.get(), "/") == 0 ? "" : real.get();
  return base + path.substr(slash);
}

absl::StatusOr<NewFuseMount> MountFuse(const std::string& mount_point,
                                       const ConnectionSettings& settings,
                                       const std::string& selinux_context, const LogFunction& log) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenFuseDevice());
  STOWAGE_RETURN_IF_ERROR(ClearMountPoint(mount_point, log));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(mount_point));
  STOWAGE_RETURN_IF_ERROR(CallMount(fd.get(), mount_point, settings, selinux_context));
  STOWAGE_ASSIGN_OR_RETURN(const std::string device, DeviceMountedAt(mount_point));
  if (!device.empty()) return NewFuseMount{std::move(fd), {mount_point, device}};
  (void)::umount2(mount_point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  return absl::AbortedError(
      absl::StrCat("mount at ", mount_point, ": the mount is not there any more"));
}

absl::StatusOr<std::string> ReadInitRequest(int fuse_fd) {
  pollfd waiting = {fuse_fd, POLLIN, 0};
  if (::poll(&waiting, 1, kInitTimeoutMs) != 1)
    return absl::DeadlineExceededError("the kernel sent no FUSE_INIT for the new mount");
  std::string request(FUSE_MIN_READ_BUFFER, '\0');
  const ssize_t size = ::read(fuse_fd, request.data(), request.size());
  if (size < 0) return absl::ErrnoToStatus(errno, "read FUSE_INIT");
  request.resize(static_cast<size_t>(size));
  if (!IsInitRequest(request))
    return absl::InternalError("the first request of the new mount is not FUSE_INIT");
  return request;
}

absl::Status SetReadAhead(const FuseMount& mount, int kib) {
  const std::string path = absl::StrCat("/sys/class/bdi/", mount.device, "/read_ahead_kb");
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_WRONLY));
  return WriteAll(fd.get(), absl::StrCat(kib), path);
}

absl::Status EndFuseMount(const FuseMount& mount, int fuse_fd) {
  // Overlays may hold the file system beyond the unmounting. Before it, and only while our
  // connection is there: the number that names it is soon another's.
  absl::Status status;
  if (IsConnected(fuse_fd)) status = AbortConnection(mount.device);
  // Only ours: another one may have been mounted there since.
  STOWAGE_ASSIGN_OR_RETURN(const std::string device, DeviceMountedAt(mount.mount_point));
  if (device == mount.device &&
      ::umount2(mount.mount_point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL)
    status = absl::ErrnoToStatus(errno, absl::StrCat("unmount ", mount.mount_point));
  return status;
}

bool IsConnected(int fuse_fd) {
  pollfd device = {fuse_fd, 0, 0};
  return ::poll(&device, 1, 0) >= 0 && (device.revents & (POLLERR | POLLNVAL)) == 0;
}

}  // namespace stowage
