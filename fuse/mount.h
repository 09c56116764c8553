#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/connection_settings.h"

namespace stowage {

// A mount as the keeper knows it. Nothing here ever touches the mount itself: with no worker behind
// it, a stat(2) would wait for ever (docs/fuse.md).
struct FuseMount {
  std::string mount_point;  // absolute, without symbolic links
  std::string device;       // "0:53", names the connection and its bdi in sysfs
};

// A mount that has just been made.
struct NewFuseMount {
  UniqueFd fd;  // /dev/fuse; the connection lives as long as one copy is open
  FuseMount mount;
};

// The place without symbolic links, its parents made. Its last component is taken as it is: it may
// be a mount that hangs whoever looks at it. Errors: InvalidArgument for a path that is not
// absolute or is "/"; the errno's.
absl::StatusOr<std::string> ResolveMountPoint(std::string path);

// /dev/fuse, for a new connection. Errors: NotFound without it; the errno's; each says what to do.
absl::StatusOr<UniqueFd> OpenFuseDevice();

// Opens /dev/fuse and mounts at `mount_point`, a resolved one, which is made when missing.
// The mount's source in mountinfo tells the settings. selinux_context: as SelinuxMountOption.
//
// A dead mount that an earlier stowage-fuse left there is detached first, and the log says which
// containers are lost with it. Errors: FailedPrecondition if anything else is mounted there, or a
// stowage-fuse that is alive; NotFound without /dev/fuse, PermissionDenied without the right to
// mount; as SelinuxMountOption; each says what to do.
absl::StatusOr<NewFuseMount> MountFuse(const std::string& mount_point,
                                       const ConnectionSettings& settings,
                                       const std::string& selinux_context, const LogFunction& log);

// Reads the kernel's FUSE_INIT from a fresh mount. Errors: DeadlineExceeded after 10 s; Internal.
absl::StatusOr<std::string> ReadInitRequest(int fuse_fd);

// Raises the mount's read-ahead from the kernel's 128 KiB: an eighth of the READ requests for large
// files. Works only after FUSE_INIT was answered. Errors: the errno's.
absl::Status SetReadAhead(const FuseMount& mount, int kib);

// Detaches the mount, if it is still there, and ends the connection behind fuse_fd: whoever uses
// it, also through an overlay, gets ENOTCONN from now on. Errors: the errno's.
absl::Status EndFuseMount(const FuseMount& mount, int fuse_fd);

// False once the connection behind a descriptor of /dev/fuse has ended.
bool IsConnected(int fuse_fd);

}  // namespace stowage
