#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugin/containerd/rpc.h"

namespace stowage {

// What containerd has under a chain ID.
enum class ClaimedSnapshot {
  kRemote,    // ours
  kOrdinary,  // the copy that some client unpacked before
  kReplaced,  // ours, in place of such a copy
};

// Makes containerd record the snapshot of a whole chain of layers that the snapshotter has already,
// by one Prepare of the top chain ID on the empty parent, which the snapshotter answers
// AlreadyExists.
//
// replace_ordinary: takes an ordinary snapshot of that name away first. Those below it are left to
// containerd's garbage collection, which knows whether other images need them.
// Errors: FailedPrecondition when the snapshotter is not in containerd's configuration or does not
// know the chain (then nothing of ours stays behind, and a copy that was taken away is unpacked
// again by its client), or when what is to be replaced is in use (then nothing is changed, and the
// message names the containers); Unavailable when containerd cannot reach the snapshotter; Aborted
// when a client unpacks the chain at the same time.
absl::StatusOr<ClaimedSnapshot> ClaimRemoteSnapshot(const CallScope& scope,
                                                    const std::string& snapshotter,
                                                    const std::string& chain_id,
                                                    bool replace_ordinary);

}  // namespace stowage
