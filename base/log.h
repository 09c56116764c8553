#pragma once

#include <functional>

#include "absl/strings/string_view.h"

namespace stowage {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// How a library says something to the log of the program that uses it. line: "event key=value ...", one line, no secrets.
// Called from any thread.
using LogFunction = std::function<void(LogLevel level, absl::string_view line)>;

}  // namespace stowage
