#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"

namespace stowage {

// Keeps the most recently used values by number, within a number of values and a sum of costs.
// Thread-safe.
//
// Values are shared: owners are the cache and the requests that are using one, so that an evicted
// value lives until its last request ends.
template <typename Value>
class LruCache {
 public:
  using Pointer = std::shared_ptr<const Value>;

  LruCache(size_t max_values, size_t max_cost) : max_values_(max_values), max_cost_(max_cost) {}

  // Null if it is not there.
  Pointer Get(uint64_t key) {
    const absl::MutexLock lock(&mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    values_.splice(values_.begin(), values_, found->second);
    return found->second->value;
  }

  // Keeps `value`, which may evict others but never itself. When another thread was faster, that
  // one stays and is returned.
  Pointer Put(uint64_t key, Pointer value, size_t cost) {
    std::list<Kept> evicted;  // destroyed after the lock is released: unmapping and closing is slow
    const absl::MutexLock lock(&mutex_);
    if (const auto found = places_.find(key); found != places_.end()) return found->second->value;
    values_.push_front({key, value, cost});
    places_[key] = values_.begin();
    cost_ += cost;
    while (values_.size() > 1 && (values_.size() > max_values_ || cost_ > max_cost_)) {
      cost_ -= values_.back().cost;
      places_.erase(values_.back().key);
      evicted.splice(evicted.begin(), values_, std::prev(values_.end()));
    }
    return value;
  }

  void Remove(uint64_t key) {
    std::list<Kept> removed;  // as above
    const absl::MutexLock lock(&mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    cost_ -= found->second->cost;
    removed.splice(removed.begin(), values_, found->second);
    places_.erase(found);
  }

  // Removes every value whose key fulfils the condition. Looks at all of them.
  void RemoveIf(absl::FunctionRef<bool(uint64_t key)> condition) {
    std::list<Kept> removed;  // as above
    const absl::MutexLock lock(&mutex_);
    for (auto value = values_.begin(); value != values_.end();) {
      const auto next = std::next(value);
      if (condition(value->key)) {
        cost_ -= value->cost;
        places_.erase(value->key);
        removed.splice(removed.begin(), values_, value);
      }
      value = next;
    }
  }

  size_t size() const {
    const absl::MutexLock lock(&mutex_);
    return values_.size();
  }

 private:
  struct Kept {
    uint64_t key;
    Pointer value;
    size_t cost;
  };

  const size_t max_values_;
  const size_t max_cost_;
  mutable absl::Mutex mutex_;
  std::list<Kept> values_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  absl::flat_hash_map<uint64_t, typename std::list<Kept>::iterator> places_ ABSL_GUARDED_BY(mutex_);
  size_t cost_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace stowage
