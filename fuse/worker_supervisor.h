#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/crash_back_off.h"
#include "fuse/process.h"
#include "fuse/server_options.h"

namespace stowage {

// The worker as the keeper sees it: started, watched, started again at once when it ends, with a
// growing pause when several in a row do not serve. Not thread-safe.
class WorkerSupervisor {
 public:
  // Borrows all; session_fd as in SavedSession.
  WorkerSupervisor(const ServerOptions& options, const ServerDescriptors& descriptors,
                   int session_fd, const LogFunction& log);

  // Makes the process that has the worker's role the worker, if another keeper started it: that may
  // have been so late that it had no role yet when we first looked. False: there is none.
  // Errors: FindRole's.
  absl::StatusOr<bool> AdoptHolder();
  // Starts one, or adopts the one that there is. Errors: the errno's.
  absl::Status Start();
  // Kills the one that there is and waits until it has ended.
  void Kill();
  // As above, after giving it some time to end by itself.
  void AwaitOrKill(absl::Duration patience);

  bool running() const { return worker_.pidfd.valid(); }
  bool serving() const { return running() && !ready_reader_; }
  // For poll(2), -1: none. Update() when one is readable.
  int ended_fd() const { return worker_.pidfd.get(); }
  int ready_fd() const { return ready_reader_.get(); }
  void Update();

  // When to call Start (MonotonicTime), if none is running.
  absl::Duration next_start() const { return next_start_; }
  // How long nobody has served; zero while one does.
  absl::Duration UnservedFor() const;

 private:
  void Ended();

  const ServerOptions& options_;
  const ServerDescriptors& descriptors_;
  const int session_fd_;
  const LogFunction& log_;
  WatchedProcess worker_;  // no pidfd: none
  UniqueFd ready_reader_;  // gone once the worker has said that it serves
  absl::Duration serving_since_ = absl::InfiniteDuration();
  absl::Duration served_until_;  // the last time that one served for a while
  absl::Duration next_start_ = -absl::InfiniteDuration();
  CrashBackOff back_off_;
};

}  // namespace stowage
