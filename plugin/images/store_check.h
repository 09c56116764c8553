#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "plugin/images/layer_table.h"

namespace stowage {

// Whether the store paths of layers still hold what the layers were made of. GC roots keep Nix from
// touching them, not a person.
//
// Nix sets every mtime in the store to 1, and whoever writes, adds or removes something there
// afterwards leaves another one. So a look is one lstat(2) per entry, done by a thread of this
// object's own, which leaves the disk to others; only a layer with another mtime in it is hashed
// and compared with its diff_id. Thread-safe.
class StoreCheck {
 public:
  // table: borrowed. warn: told once about each layer that is found changed, one line.
  StoreCheck(std::string store_directory, LayerTable* table,
             std::function<void(absl::string_view)> warn);
  // Ends the thread; waits for at most one file that it is hashing.
  ~StoreCheck();
  StoreCheck(const StoreCheck&) = delete;
  StoreCheck& operator=(const StoreCheck&) = delete;

  // Has those of the layers looked at that were not looked at lately, later and elsewhere. Then
  // DataLoss naming a file and what to do if one of the layers is known to be changed. A changed
  // layer is looked at here and now, so that one that was repaired is known as such at once. Else
  // without system calls. A store path that is not there at all is none of its business.
  absl::Status Check(absl::Span<const LayerRecord> layers);

  // Waits until nothing is left to look at.
  void Drain();

 private:
  struct Known {
    bool queued = false;
    absl::Time look_again = absl::InfinitePast();
    size_t right_times = 0;  // fingerprint of times that are not Nix's, over the right content
    std::string change;      // "" if nothing is changed
  };
  struct Times;

  bool HasToDo() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }
  bool HasNothingLeft() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return queue_.empty() && !looking_;
  }
  void Run();
  absl::StatusOr<Times> LookAtTimes(const LayerRecord& layer);
  // What is changed in the layer, or "".
  absl::StatusOr<std::string> Compare(const LayerRecord& layer, const Times& times);
  void Look(const LayerRecord& layer);

  const std::string store_directory_;
  LayerTable* const table_;
  const std::function<void(absl::string_view)> warn_;
  absl::Mutex mutex_;
  absl::flat_hash_map<int64_t, Known> known_ ABSL_GUARDED_BY(mutex_);  // by layer ID
  std::deque<LayerRecord> queue_ ABSL_GUARDED_BY(mutex_);
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> stopping_ = false;  // set under mutex_, for HasToDo
  std::thread thread_;                  // last: uses all of the above
};

}  // namespace stowage
