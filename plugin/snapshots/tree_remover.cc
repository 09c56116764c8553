#include "plugin/snapshots/tree_remover.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"

namespace stowage {

TreeRemover::TreeRemover(std::function<void(absl::string_view)> warn)
    : warn_(std::move(warn)), thread_([this] { Run(); }) {}

TreeRemover::~TreeRemover() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void TreeRemover::Add(std::string path) {
  const absl::MutexLock lock(&mutex_);
  if (known_.insert(path).second) waiting_.push_back(std::move(path));
}

void TreeRemover::Drain() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &TreeRemover::IsIdle));
}

void TreeRemover::Run() noexcept {
  while (true) {
    std::string path;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &TreeRemover::HasWork));
      if (stopping_) return;
      path = std::move(waiting_.front());
      waiting_.pop_front();
    }
    const absl::Status status = RemoveTree(path, [this] { return IsStopping(); });
    if (absl::IsCancelled(status)) return;
    if (!status.ok()) warn_(absl::StrCat("delete ", path, ": ", status.message()));
    const absl::MutexLock lock(&mutex_);
    known_.erase(path);
  }
}

}  // namespace stowage
