#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "base/log.h"

namespace stowage {

// The log of a program of ours: lines on standard error, each with its time, its level, the
// program's name and its process number. For main functions only; libraries take a LogFunction.

// Before any thread is made. level: the lowest that is written, "debug", "info", "warning", "error"
// or "off".
void StartProgramLog(const std::string& program, const std::string& level);

// A LogFunction. Any thread.
void WriteProgramLog(LogLevel level, absl::string_view line);

}  // namespace stowage
