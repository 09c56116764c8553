#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace stowage {

// Deletes trees one after another on a thread of its own: emptying a container's directory can take
// seconds and containerd waits for Remove. Thread-safe.
class TreeRemover {
 public:
  // warn: told which tree could not be deleted and why; it is left where it is.
  explicit TreeRemover(std::function<void(absl::string_view)> warn);
  // Takes no longer than deleting one file: what is left of the tree being deleted and those that
  // wait stay on disk, to be added by the next process.
  ~TreeRemover();
  TreeRemover(const TreeRemover&) = delete;
  TreeRemover& operator=(const TreeRemover&) = delete;

  // A path that waits already is not added twice.
  void Add(std::string path);
  // Waits until nothing is left to do. For tests.
  void Drain();

 private:
  void Run() noexcept;
  bool IsStopping() {
    const absl::MutexLock lock(&mutex_);
    return stopping_;
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  }
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return known_.empty(); }

  const std::function<void(absl::string_view)> warn_;
  absl::Mutex mutex_;
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::string> known_ ABSL_GUARDED_BY(mutex_);  // waiting or being deleted
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace stowage
