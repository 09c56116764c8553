#pragma once

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "plugin/snapshots/id_mapping.h"

namespace stowage {

// A user namespace with these ids, for mount_setattr(2). No process is in it; it lasts as long as
// the descriptor and the mounts that were made with it.
//
// Errors: InvalidArgument if the kernel takes no such mapping (ranges that overlap, more than 340);
// the errno's, such as ResourceExhausted where sysctl user.max_user_namespaces forbids more.
// Thread-safe.
absl::StatusOr<UniqueFd> MakeUserNamespace(const IdMapping& mapping);

}  // namespace stowage
