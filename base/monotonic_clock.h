#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace stowage {

// Time since a fixed moment in the past (CLOCK_MONOTONIC), for intervals and deadlines: setting the
// clock does not change it. Thread-safe.
inline absl::Duration MonotonicTime() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace stowage
