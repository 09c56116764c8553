#pragma once

#include <string>

#include "absl/status/status.h"
#include "plugin/containerd/rpc.h"

namespace stowage {

// One of containerd's snapshots, in the namespace of the call.
struct SnapshotName {
  std::string snapshotter;
  std::string key;  // of a committed one: its name
};

// Errors: what containerd answered.
absl::Status RemoveSnapshot(const CallScope& scope, const SnapshotName& snapshot);

// Removes a snapshot that no other stands on. Errors: FailedPrecondition naming those that do and
// the containers whose they are; else what containerd answered.
absl::Status RemoveUnusedSnapshot(const CallScope& scope, const SnapshotName& snapshot);

}  // namespace stowage
