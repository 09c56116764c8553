#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/fetch_message.h"

namespace stowage {

// Asks stowaged for promised objects, on the socket in the state directory. Connects when something
// is wanted, and again when stowaged went away meanwhile: then it asks once more for everything
// that is still wanted. Thread-safe.
class FetchClient {
 public:
  struct Options {
    absl::Duration patience;  // with a stowaged that cannot be reached
    // Called on the client's own thread, once for each call of Want that no Forget followed.
    // error: 0, or EIO when the object cannot be had or stowaged was away too long.
    std::function<void(uint64_t object, int error)> on_answer;
    // Called there five times a second at most while something is wanted.
    std::function<void()> on_tick;
    LogFunction log;
  };

  // state_directory: O_PATH is enough. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<FetchClient>> Start(UniqueFd state_directory,
                                                            Options options);
  // Answers nothing any longer.
  ~FetchClient();
  FetchClient(const FetchClient&) = delete;
  FetchClient& operator=(const FetchClient&) = delete;

  void Want(uint64_t object);
  void Forget(uint64_t object);

 private:
  struct Wanted {
    absl::Duration since;  // MonotonicTime
    bool asked = false;    // on the present connection
  };

  FetchClient(UniqueFd state_directory, UniqueFd wake, Options options)
      : state_directory_(std::move(state_directory)),
        wake_(std::move(wake)),
        options_(std::move(options)) {}
  void Run();
  void Wake();
  // Waits for something to do.
  void Poll() ABSL_LOCKS_EXCLUDED(mutex_);
  void Connect();
  void Disconnect(const std::string& reason);
  // Sends what stowaged has not been told yet, as much as it takes now.
  void Ask() ABSL_LOCKS_EXCLUDED(mutex_);
  // False: not taken.
  bool Send(const FetchMessage& message);
  void NoteSent(const FetchMessage& message) ABSL_LOCKS_EXCLUDED(mutex_);
  // False: nothing more is there to read.
  bool ReadAnswer();
  void Answer(uint64_t object, int error);
  void GiveUp();

  const UniqueFd state_directory_;
  const UniqueFd wake_;
  const Options options_;
  // Of the client's thread:
  UniqueFd connection_;
  bool full_ = false;  // the connection takes nothing more at this time
  // MonotonicTime, as all others:
  absl::Duration next_tick_ = -absl::InfiniteDuration();
  absl::Duration next_connect_ = -absl::InfiniteDuration();
  absl::Duration connected_at_ = -absl::InfiniteDuration();
  absl::Duration away_since_ = absl::InfiniteDuration();  // meant while there is no connection
  std::string why_away_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<uint64_t, Wanted> wanted_ ABSL_GUARDED_BY(mutex_);
  // Was asked for on the present connection, which has not been told yet that nobody waits.
  absl::flat_hash_set<uint64_t> forgotten_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace stowage
