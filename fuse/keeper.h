#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/log.h"
#include "fuse/server_options.h"

namespace stowage {

// The keeper: holds the mount and sees to it that a worker serves it. Reads no request but the
// first, and never touches the mount (fuse/mount.h). Both functions return OK after SIGTERM or
// SIGINT, and when the mount has been ended from outside; no process and no mount of ours is left
// then. One call per process, on its only thread; takes over SIGTERM and SIGINT and ignores SIGHUP
// and SIGPIPE.

// Mounts and keeps. state_directory and store_directory are absolute. on_mounted: called once, when
// requests are being served. Errors: what kept it from mounting or its first worker from serving;
// each says what to do, and nothing is left mounted.
absl::Status RunKeeper(const ServerOptions& options, const std::string& state_directory,
                       const std::string& store_directory, const std::function<void()>& on_mounted,
                       const LogFunction& log);

// Keeps a mount that lost its keeper; worker_fd: pidfd of its worker.
absl::Status RunAdoptingKeeper(const ServerOptions& options, ServerDescriptors descriptors,
                               UniqueFd worker_fd, const LogFunction& log);

}  // namespace stowage
