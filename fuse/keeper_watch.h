#pragma once

#include "absl/time/time.h"
#include "base/log.h"
#include "fuse/crash_back_off.h"
#include "fuse/process.h"
#include "fuse/server_options.h"

namespace stowage {

// The keeper as the worker sees it: finds the one that there is, and starts one where none is.
//
// Under a service manager that one's own comes first, since it knows its main process and no other;
// only when none has come for some seconds the worker starts one. Not thread-safe.
class KeeperWatch {
 public:
  // Borrows all; session_fd as in SavedSession.
  KeeperWatch(const ServerOptions& options, const ServerDescriptors& descriptors, int session_fd,
              const LogFunction& log);

  // The keeper's pidfd, readable when it has ended. -1, which poll(2) leaves out: none is known.
  int fd() const { return keeper_.pidfd.get(); }
  // How long to wait at most before Update; infinite while there is a keeper.
  absl::Duration patience() const;
  // Looks after the keeper; to be called when fd() is readable or patience() is over.
  void Update();

 private:
  // Sets start_at_: after a pause, or when a service manager's own keeper is overdue.
  void StartAfter(absl::Duration pause);
  void FindOrStart();
  absl::StatusOr<WatchedProcess> Start() const;

  const ServerOptions& options_;
  const ServerDescriptors& descriptors_;
  const int session_fd_;
  const LogFunction& log_;
  WatchedProcess keeper_;
  pid_t child_pid_ = -1;     // of a keeper that we started
  absl::Duration found_at_;  // when keeper_ was found or started
  absl::Duration start_at_;  // when to start one ourselves
  CrashBackOff back_off_;
};

}  // namespace stowage
