#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "base/unique_fd.h"
#include "fuse/fetch_client.h"
#include "fuse/fuse_reply.h"
#include "fuse/kept_request.h"
#include "fuse/libfuse.h"

namespace stowage {

// Requests that wait for promised objects (docs/fuse.md, "Promised objects"). No thread waits with
// them. Each ends in one of these ways: stowaged has fetched the object and the request is served;
// it cannot be had, or the time is over: EIO; whoever waits was killed: EINTR. Thread-safe.
class WaitingRequests {
 public:
  struct Options {
    absl::Duration patience_away = absl::Seconds(30);  // with a stowaged that cannot be reached
    absl::Duration patience = absl::Minutes(30);       // with one that is there
    LogFunction log;
  };
  // Serves the request, answering it; called once, on some thread.
  using Serve = std::function<void(FuseReply& reply)>;

  // Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<WaitingRequests>> Start(UniqueFd state_directory,
                                                                Options options);
  // Answers what still waits with EIO. No handler may run any longer; the session must be there.
  ~WaitingRequests();
  WaitingRequests(const WaitingRequests&) = delete;
  WaitingRequests& operator=(const WaitingRequests&) = delete;

  // Called by a request's handler on its thread: takes the request over until `object` is there.
  // One that would be lost with this worker is answered EIO.
  void Add(uint64_t object, FuseReply& reply, Serve serve) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiting {
    fuse_req_t request;
    Serve serve;
    pid_t caller;
    absl::Duration since;  // MonotonicTime
    KeptRequest kept;
  };

  explicit WaitingRequests(Options options) : options_(std::move(options)) {}
  void TurnAway(uint64_t object, FuseReply& reply) ABSL_LOCKS_EXCLUDED(mutex_);
  void ObjectAnswered(uint64_t object, int error) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends requests whose callers were killed or that have waited too long.
  void EndOverdue() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::flat_hash_set<pid_t> DyingCallers() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  absl::Mutex mutex_;  // before the client's
  absl::flat_hash_map<uint64_t, std::vector<Waiting>> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::Duration next_log_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // of TurnAway
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<FetchClient> client_;  // last: its thread uses what is above
};

}  // namespace stowage
