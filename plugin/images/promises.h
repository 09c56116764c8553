#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace stowage {

// The objects that views show although their store paths are not there: an empty file each,
// <state>/promises/<number>, which stowage-fuse looks at too (docs/fuse.md, "Promised objects").
// What is promised stays so over restarts and power failures. Thread-safe.
class Promises {
 public:
  // Makes the directory; reads what is promised.
  static absl::StatusOr<std::unique_ptr<Promises>> Open(const std::string& state_directory);

  // Durable when this returns. Errors: the errno's.
  absl::Status Make(absl::Span<const int64_t> objects);
  // One that is not there is OK.
  absl::Status Remove(int64_t object);

  bool Contains(int64_t object) const;
  std::vector<int64_t> All() const;  // ascending

 private:
  explicit Promises(std::string directory) : directory_(std::move(directory)) {}
  std::string File(int64_t object) const;

  const std::string directory_;
  mutable absl::Mutex mutex_;
  absl::btree_set<int64_t> objects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
