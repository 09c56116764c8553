#pragma once

#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace stowage {

// Calls work(0) ... work(count - 1), at most `workers` at a time (the caller's thread is one of
// them), each index once.
//
// Returns the first error by time; after it no further index is started. `work` must be safe to
// call from several threads.
absl::Status ParallelFor(size_t count, size_t workers,
                         const std::function<absl::Status(size_t)>& work);

// The number of CPUs this process may run on, at least 1.
size_t AvailableCpus();

}  // namespace stowage
