#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace stowage {

// A read-only mount of what `directory` shows, without what is mounted below it, whose files have
// the ids of a user namespace (MOUNT_ATTR_IDMAP of mount_setattr(2)). Not attached to any place.
// Touches no file: a FUSE mount whose server is away does not make it wait.
//
// Errors: FailedPrecondition where kernel or file system cannot do that, or overlayfs cannot use
// the result, saying from which kernel on it can and what to do instead; else the errno's.
// Thread-safe.
absl::StatusOr<UniqueFd> CloneWithIds(const std::string& directory, int user_namespace);

// Whether this machine can map the ids of images, found out by doing it to a clone that is thrown
// away: of the state directory, and of the mount of stowage-fuse. Before either is there, the
// kernel's version has to do for it, and so without the right to mount. Errors: as CloneWithIds.
//
// fuse_mountpoint: "" where the kernel alone shows the store, on the state directory's file system.
absl::Status CheckIdMapping(const std::string& state_directory, const std::string& fuse_mountpoint);

}  // namespace stowage
