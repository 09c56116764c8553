#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace stowage {

// "999 B", "1.0 KiB", "43.2 MiB": powers of 1024, one digit after the point.
std::string HumanBytes(uint64_t bytes);

// Whole seconds, rounded down: "0s", "59s", "1m 05s", "2h 03m".
std::string HumanDuration(absl::Duration duration);

}  // namespace stowage
