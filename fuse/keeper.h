#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "fuse/fuse_config.h"
#include "fuse/server_options.h"

namespace stowage {

// The keeper: holds the mount and sees to it that a worker serves it (fuse/keeper_loop.h). Reads no
// request but the first, and never touches the mount (fuse/mount.h). All return OK after SIGTERM or
// SIGINT, and when the mount has been ended from outside; no process and no mount of ours is left
// then. One call per process, on its only thread; takes over SIGTERM, SIGINT and SIGHUP and ignores
// SIGPIPE.

// What a service manager kept of an earlier keeper; both or none.
struct StoredDescriptors {
  UniqueFd fuse;
  UniqueFd session;
};
// The names under which it keeps them.
inline constexpr char kStoredFuseName[] = "stowage-fuse";
inline constexpr char kStoredSessionName[] = "stowage-session";

struct KeeperStart {
  std::string state_directory;  // absolute
  std::string store_directory;  // absolute
  // What a new mount shall be. A mount that is there keeps what it is, and no mistake in a file may
  // keep it from being served: an error here counts only when a mount is made.
  absl::StatusOr<FuseConfig> wanted;
  StoredDescriptors stored;
  // Called once, with the mount's place, when requests are being served.
  std::function<void(const std::string& mount_point)> on_serving;
};

// Mounts, or takes over the mount of `stored` with a worker of this program, and keeps it. Errors:
// what kept it from mounting or its first worker from serving; each says what to do, and no new
// mount is left. Or that the mount was given up.
absl::Status RunKeeper(const ServerOptions& options, KeeperStart start, const LogFunction& log);

// Keeps a mount that is there: started by its worker, or executed by its keeper, whose program was
// replaced (replace_worker). Does nothing and returns OK if another keeper is there.
absl::Status RunAdoptingKeeper(const ServerOptions& options, ServerDescriptors descriptors,
                               bool replace_worker, const LogFunction& log);

// Whether this program could go on with the session of a running one. Changes nothing.
absl::Status CheckSession(UniqueFd session);

}  // namespace stowage
