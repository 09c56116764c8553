#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"

// An invariant of a fuzz target; ends the process, which libFuzzer and ctest both take as a
// finding.
#define STOWAGE_FUZZ_CHECK(condition) \
  ((condition) ? void() : ::stowage::testing::FuzzCheckFailed(#condition, __FILE__, __LINE__))

// Makes `function` the program's fuzz target of this name.
#define STOWAGE_FUZZ_TARGET(name, function)          \
  [[maybe_unused]] const bool name##_is_registered = \
      ::stowage::testing::RegisterFuzzTarget(#name, function)

namespace stowage::testing {

// Takes any bytes. Uses a parser of the project on them and checks what must hold for its answer.
using FuzzTarget = void (*)(absl::string_view bytes);

// Called while static objects are made, before main. Returns true.
bool RegisterFuzzTarget(const std::string& name, FuzzTarget target);

// Those that were linked in: one in a program of libFuzzer, all in fuzz_corpus.
const std::map<std::string, FuzzTarget>& FuzzTargets();

[[noreturn]] void FuzzCheckFailed(const char* condition, const char* file, int line);

}  // namespace stowage::testing
