#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "plugin/images/image_table.h"

namespace stowage {

struct ResolveProgress {
  enum class Phase { kSource, kEvaluate, kRealise, kClosure, kHash, kRecord };
  Phase phase;
  uint64_t done = 0;   // builds or copied bytes; in kHash bytes
  uint64_t total = 0;  // 0: not known
  std::string message;
  std::string log_line;
};

// The result of resolving a reference.
struct ResolvedImage {
  ImageRecord image;
  std::string tag;
  std::string revision;
  bool from_cache = false;
  std::vector<std::string> warnings;
};

// One run of resolving, shared by everybody who waits for it. Thread-safe.
class ResolveJob {
 public:
  using Result = absl::StatusOr<ResolvedImage>;

  // For the one who does the work. Finish is called once; callbacks run on its thread.
  void Report(ResolveProgress progress);
  void Finish(Result result);

  // For those who wait.
  // Copies the events after number `cursor` and moves it; blocks until there are some, the job is
  // finished or the deadline passes. Returns true when the job is finished and all events are
  // taken. Somebody who reads slowly misses old events.
  bool Next(uint64_t& cursor, absl::Time deadline, std::vector<ResolveProgress>& events);
  // The result; only after Next has returned true.
  Result result() const;
  // Calls `callback` when the job is finished, or at once if it is.
  void OnFinished(std::function<void(const Result&)> callback);

 private:
  mutable absl::Mutex mutex_;
  std::deque<ResolveProgress> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;  // number of the first event kept
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  Result result_ ABSL_GUARDED_BY(mutex_) = absl::UnknownError("not finished");
  std::vector<std::function<void(const Result&)>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
