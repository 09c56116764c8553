#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace stowage {

// A mount as the keeper knows it. Nothing here ever touches the mount itself: with no worker behind
// it, a stat(2) would wait for ever (docs/fuse.md).
struct FuseMount {
  UniqueFd fd;              // /dev/fuse; the connection lives as long as one copy is open
  std::string mount_point;  // absolute, without symbolic links
  std::string device;       // "0:53", names the connection and its bdi in sysfs
};

// Opens /dev/fuse and mounts at `mount_point`, which is made with missing parents.
//
// A dead mount that an earlier stowage-fuse left there is detached first. Errors:
// FailedPrecondition if anything else is mounted there, or a stowage-fuse that is alive; NotFound
// without /dev/fuse, PermissionDenied without the right to mount; each says what to do.
absl::StatusOr<FuseMount> MountFuse(const std::string& mount_point);

// Takes an inherited descriptor of a mount that is there. Errors: NotFound if it is not.
absl::StatusOr<FuseMount> AdoptFuseMount(UniqueFd fd, const std::string& mount_point);

// Reads the kernel's FUSE_INIT from a fresh mount. Errors: DeadlineExceeded after 10 s; Internal.
absl::StatusOr<std::string> ReadInitRequest(int fuse_fd);

// Raises the mount's read-ahead from the kernel's 128 KiB: an eighth of the READ requests for large
// files. Works only after FUSE_INIT was answered. Errors: the errno's.
absl::Status SetReadAhead(const FuseMount& mount, int kib);

// Detaches the mount and ends the connection: whoever still uses it gets ENOTCONN from now on.
absl::Status EndFuseMount(const FuseMount& mount);

}  // namespace stowage
