#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace stowage {

// Threads that run tasks in the order of submission, with all signals blocked. Its users bound the
// queue: each submits its next task only after the last one has ended. Thread-safe.
class WorkPool {
 public:
  // threads: 1 or more.
  explicit WorkPool(int threads);
  // Runs what is queued, then ends the threads.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // task must not throw. Not after the destructor has begun, except from a task.
  void Submit(std::function<void()> task);

 private:
  void Run() noexcept;
  bool HasWorkOrEnd() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !tasks_.empty() || end_;
  }

  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool end_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// Blocks signals for the calling thread and those it starts, except the ones that a fault raises:
// the process's own handlers run in its main thread, and SIGPIPE of sendfile(2) stays pending here
// for ever.
void BlockSignalsInThisThread();

}  // namespace stowage
