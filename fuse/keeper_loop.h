#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/log.h"
#include "fuse/mount.h"
#include "fuse/saved_session.h"
#include "fuse/server_options.h"
#include "fuse/worker_supervisor.h"

namespace stowage {

// SIGTERM, SIGINT and SIGHUP as a descriptor; SIGPIPE is ignored from now on.
absl::StatusOr<UniqueFd> TakeSignals();

// What a keeper does while the mount is there. Not thread-safe.
class KeeperLoop {
 public:
  struct Parts {
    ServerDescriptors descriptors;  // without the session, which `saved` has
    SavedSession saved;
    FuseMount mount;
    UniqueFd signals;
    std::function<void()> on_serving;  // called when a worker serves for the first time
    // Gives the service manager its copies of the descriptors; tried again and again until it
    // succeeds. Null: it has them, or there is none.
    std::function<absl::Status()> store_descriptors;
  };

  // Borrows options and log.
  KeeperLoop(const ServerOptions& options, Parts parts, const LogFunction& log);

  WorkerSupervisor& worker() { return worker_; }

  // Waits until a started worker serves. Errors: DeadlineExceeded; Internal if it ended.
  absl::Status AwaitServing();
  // SIGTERM and SIGINT end the mount; SIGHUP replaces the program (docs/fuse.md, "Upgrade").
  // Returns OK after those and when somebody else ended the mount. Errors: Unavailable when no
  // worker could be started for too long and the mount was given up.
  absl::Status KeepUntilEnd();
  // Ends mount, connection and worker. Errors: those of the unmounting.
  absl::Status End();

 private:
  // Waits for a signal (returns its number; 0: none), for the worker, or until there is something
  // to do.
  int Wait();
  void UpdateWorker();
  // Tries it if it is time to.
  void StoreDescriptors();
  void ReplaceProgram();
  absl::Status CheckNewProgram() const;
  absl::Status GiveUp();

  const ServerOptions& options_;
  const ServerDescriptors descriptors_;
  const SavedSession saved_;
  const FuseMount mount_;
  const UniqueFd signals_;
  std::function<void()> on_serving_;
  std::function<absl::Status()> store_descriptors_;  // null once they are stored
  absl::Duration next_store_ = absl::ZeroDuration();
  const LogFunction& log_;
  WorkerSupervisor worker_;
};

}  // namespace stowage
