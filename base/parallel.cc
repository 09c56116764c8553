#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace stowage {
namespace {

// The first error of several threads.
class FirstError {
 public:
  void Report(absl::Status status) {
    const absl::MutexLock lock(&mutex_);
    if (status_.ok()) status_ = std::move(status);
    seen_.store(true, std::memory_order_relaxed);
  }
  bool seen() const { return seen_.load(std::memory_order_relaxed); }
  absl::Status status() {
    const absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  std::atomic<bool> seen_ = false;
  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status ParallelFor(size_t count, size_t workers,
                         const std::function<absl::Status(size_t)>& work) {
  std::atomic<size_t> next = 0;
  FirstError error;
  const auto run = [&] {
    for (size_t index = next++; index < count && !error.seen(); index = next++) {
      if (absl::Status status = work(index); !status.ok()) error.Report(std::move(status));
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < std::min(workers, count); ++i) threads.emplace_back(run);
  run();
  threads.clear();
  return error.status();
}

size_t AvailableCpus() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0)
    return std::max(1u, std::thread::hardware_concurrency());
  return static_cast<size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace stowage
