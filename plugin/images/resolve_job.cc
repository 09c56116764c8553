#include "plugin/images/resolve_job.h"

#include <algorithm>
#include <utility>

namespace stowage {
namespace {

constexpr size_t kKeptEvents = 1000;

}  // namespace

void ResolveJob::Report(ResolveProgress progress) {
  const absl::MutexLock lock(&mutex_);
  events_.push_back(std::move(progress));
  if (events_.size() <= kKeptEvents) return;
  events_.pop_front();
  ++dropped_;
}

void ResolveJob::Finish(Result result) {
  std::vector<std::function<void(const Result&)>> callbacks;
  {
    const absl::MutexLock lock(&mutex_);
    result_ = result;
    finished_ = true;
    callbacks.swap(callbacks_);
  }
  for (const auto& callback : callbacks) callback(result);
}

bool ResolveJob::Next(uint64_t& cursor, absl::Time deadline, std::vector<ResolveProgress>& events) {
  const auto news = [this, &cursor]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return finished_ || dropped_ + events_.size() > cursor;
  };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&news), deadline);
  cursor = std::max(cursor, dropped_);
  events.assign(events_.begin() + static_cast<ptrdiff_t>(cursor - dropped_), events_.end());
  cursor = dropped_ + events_.size();
  return finished_;
}

ResolveJob::Result ResolveJob::result() const {
  const absl::MutexLock lock(&mutex_);
  return result_;
}

void ResolveJob::OnFinished(std::function<void(const Result&)> callback) {
  {
    const absl::MutexLock lock(&mutex_);
    if (!finished_) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback(result());
}

}  // namespace stowage
