#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace stowage {

// How long to wait before a process is started again: not at all when the last one did its work for
// a while or failed for the first time, then longer with every failure in a row, a second at most.
class CrashBackOff {
 public:
  // Less than that is a failure: it starts, meets what ends it, and ends.
  static constexpr absl::Duration kShortLife = absl::Milliseconds(20);

  // The process has ended after `working` of work.
  void Ended(absl::Duration working) { failures_ = working < kShortLife ? failures_ + 1 : 0; }

  absl::Duration pause() const {
    if (failures_ <= 1) return absl::ZeroDuration();
    return std::min(absl::Seconds(1), absl::Milliseconds(5) * (1 << std::min(failures_, 10)));
  }

 private:
  int failures_ = 0;  // in a row
};

}  // namespace stowage
