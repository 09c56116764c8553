#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugin/containerd/rpc.h"

namespace stowage {

// Makes containerd record the snapshot of a whole chain of layers that the snapshotter has already,
// by one Prepare of the top chain ID on the empty parent, which the snapshotter answers
// AlreadyExists.
//
// Returns whether the snapshot of that name is ours: false when containerd had an ordinary one
// before. Errors: FailedPrecondition when the snapshotter is not in containerd's configuration or
// does not know the chain (nothing stays behind then); Unavailable when containerd cannot reach it.
absl::StatusOr<bool> ClaimRemoteSnapshot(const CallScope& scope, const std::string& snapshotter,
                                         const std::string& chain_id);

}  // namespace stowage
