#include "fuse/connection_control.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/own_user_namespace.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

// The directory of all connections: a mount that only this descriptor knows. Nobody is sure to
// have mounted one at /sys/fs/fuse/connections.
absl::StatusOr<UniqueFd> MountConnections() {
  const UniqueFd context(::fsopen("fusectl", FSOPEN_CLOEXEC));
  if (!context) return absl::ErrnoToStatus(errno, "open the file system fusectl");
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return absl::ErrnoToStatus(errno, "prepare the file system fusectl");
  UniqueFd directory(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!directory) return absl::ErrnoToStatus(errno, "mount the file system fusectl");
  return directory;
}

// Root of a user namespace may not mount one, but use what others have mounted: what is there of a
// connection belongs to the user who has made it.
absl::StatusOr<UniqueFd> OpenConnections() {
  if (!InUserNamespace()) return MountConnections();
  return OpenAt(AT_FDCWD, "/sys/fs/fuse/connections", O_PATH | O_DIRECTORY);
}

}  // namespace

absl::Status AbortConnection(const std::string& device) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd connections, OpenConnections());
  const std::string path = absl::StrCat(device.substr(device.find(':') + 1), "/abort");
  const absl::StatusOr<UniqueFd> fd = OpenAt(connections.get(), path, O_WRONLY);
  // Nobody has mounted one: the connection ends when the last copy of its descriptor is closed.
  if (absl::IsNotFound(fd.status()) && InUserNamespace()) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(fd.status());
  return WriteAll(fd->get(), "1", absl::StrCat("fusectl ", path));
}

}  // namespace stowage
