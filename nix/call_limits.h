#pragma once

#include <stop_token>

#include "absl/time/time.h"

namespace stowage {

// How long a call may wait for something outside (Nix, git, a server), and how to end it early.
struct CallLimits {
  // When reached, the call ends its child process and returns DeadlineExceeded.
  absl::Time deadline = absl::InfiniteFuture();
  // When requested, the same with Cancelled.
  std::stop_token stop;
};

}  // namespace stowage
