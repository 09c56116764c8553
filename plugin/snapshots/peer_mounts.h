#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "plugin/snapshots/snapshot.h"

namespace stowage {

// True if some mount takes files from below `directory` (as a source or a lower directory).
bool UsesDirectory(const std::vector<Mount>& mounts, absl::string_view directory);

// Whether another process sees what is mounted at `mountpoint`, as containerd must, since it and
// its children do the mounting. A daemon in a mount namespace of its own would otherwise hand out
// directories that are empty there.
//
// process: as SO_PEERCRED tells it. file_system_type: as for IsMountedAs; "" for any.
// Errors: FailedPrecondition naming both mount namespaces and what to do. A process that cannot be
// looked at (another PID namespace) passes. Thread-safe. Microseconds in the same mount namespace,
// else proportional to that process's number of mounts.
absl::Status CheckPeerSees(pid_t process, const std::string& mountpoint,
                           absl::string_view file_system_type = "fuse");

}  // namespace stowage
