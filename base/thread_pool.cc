#include "base/thread_pool.h"

#include <utility>

namespace stowage {

ThreadPool::ThreadPool(size_t max_threads) : max_threads_(max_threads) {}

ThreadPool::~ThreadPool() {
  std::vector<std::thread> threads;
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void ThreadPool::Submit(std::function<void()> work) {
  const absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(work));
  if (queue_.size() > idle_ && threads_.size() < max_threads_)
    threads_.emplace_back([this] { Run(); });
}

void ThreadPool::Run() {
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || !queue_.empty();
  };
  while (true) {
    std::function<void()> work;
    {
      const absl::MutexLock lock(&mutex_);
      ++idle_;
      mutex_.Await(absl::Condition(&ready));
      --idle_;
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace stowage
