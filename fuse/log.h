#pragma once

#include <functional>

#include "absl/strings/string_view.h"

namespace stowage {

enum class LogSeverity { kDebug, kInfo, kWarning, kError };

// Receives one event a line, "event key=value ...". Must be safe to call from several threads. The
// library has no logger of its own, so that it links none.
using LogFunction = std::function<void(LogSeverity, absl::string_view)>;

}  // namespace stowage
