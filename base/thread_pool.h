#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace stowage {

// Threads that run submitted work in order. One is made when work finds none idle, up to a limit,
// and then stays. Thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(size_t max_threads);
  // Waits for work that has begun and for work still queued.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Queues `work`, which must not throw. Not to be called any longer when the destructor runs.
  void Submit(std::function<void()> work);

 private:
  void Run();

  const size_t max_threads_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;  // threads that wait for work
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
