#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "nix/closure_reader.h"
#include "nix/nix_options.h"
#include "plugin/images/layer_catalog.h"

namespace stowage {

// Fetches the store paths of promised objects, from what Nix is configured with: those that
// somebody waits for at once, all that are waited for at a time in one call of Nix; the others one
// after the other while nobody waits. An object is fetched once at a time, whoever asks meanwhile
// joins. A path is shown only with the recorded narHash. Thread-safe.
class PathFetcher {
 public:
  struct Options {
    NixOptions nix;
    absl::Duration timeout;  // of one call of Nix
  };
  // Called once, on some thread. False: it cannot be had now.
  using Done = std::function<void(bool fetched)>;

  struct Failure {
    std::string store_path;
    std::string error;
  };
  struct Progress {
    std::vector<std::string> fetching;  // store paths
    std::vector<Failure> failures;      // the last one of each path that is not there yet
  };

  // Begins with what is promised. catalog: borrowed.
  PathFetcher(Options options, LayerCatalog& catalog, std::unique_ptr<ClosureReader> closures,
              LogFunction log);
  // Ends running calls of Nix; what still waits is told that it cannot be had now.
  ~PathFetcher();
  PathFetcher(const PathFetcher&) = delete;
  PathFetcher& operator=(const PathFetcher&) = delete;

  // Returns a ticket for Forget.
  uint64_t Want(int64_t object, Done done);
  // The waiter has left; its `done` may be being called at this moment. What Nix has begun goes on:
  // it is needed sooner or later.
  void Forget(uint64_t ticket);

  // There are new promises. first: what is fetched before others when nobody waits.
  void FetchInBackground(std::vector<int64_t> first);

  Progress progress();

 private:
  struct Waiter {
    uint64_t ticket;
    Done done;
  };
  struct Fetch {
    std::vector<Waiter> waiters;
    std::string store_path;  // once running
    bool running = false;
    bool alone = false;  // it failed before: by itself Nix says why, and it holds up no other
  };
  struct Failed {
    std::string store_path;
    std::string error;
    absl::Time at;
    int times = 0;
  };

  void ServeWaiters();
  void ServeBackground();
  bool SomebodyWaits() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // One call is always left for what has not failed.
  bool MayTakeOneAlone() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // 0: nothing is to be fetched now.
  int64_t NextInBackground() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of the next call for those who wait; marked as running.
  std::vector<int64_t> TakeWaitedFor() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FetchAll(const std::vector<int64_t>& objects) ABSL_LOCKS_EXCLUDED(mutex_);
  // Has each fetched by itself, if somebody still waits for it.
  void FetchAlone(const std::vector<ObjectRecord>& objects) ABSL_LOCKS_EXCLUDED(mutex_);
  // Keeps the promises whose store paths have become valid, and takes them out of `pending`.
  void KeepValid(std::vector<ObjectRecord>& pending) ABSL_LOCKS_EXCLUDED(mutex_);
  void KeepWhatCameAlong() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Keep(const ObjectRecord& object, const Digest& nar_hash);
  void Finish(int64_t object, const std::string& store_path, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  LayerCatalog& catalog_;
  const std::unique_ptr<ClosureReader> closures_;
  const LogFunction log_;
  std::stop_source stop_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t tickets_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<int64_t, Fetch> fetches_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<int64_t, Failed> failed_ ABSL_GUARDED_BY(mutex_);
  std::deque<int64_t> first_ ABSL_GUARDED_BY(mutex_);
  absl::Time waited_at_ ABSL_GUARDED_BY(mutex_);  // somebody, last
  std::vector<std::thread> threads_;
};

}  // namespace stowage
