#include "tests/fuzz/fuzz_target.h"

#include <cstdio>
#include <cstdlib>

namespace stowage::testing {
namespace {

// Inside a function, since registrations run before this file's static objects are made.
std::map<std::string, FuzzTarget>& Registered() {
  static std::map<std::string, FuzzTarget> targets;
  return targets;
}

}  // namespace

bool RegisterFuzzTarget(const std::string& name, FuzzTarget target) {
  Registered()[name] = target;
  return true;
}

const std::map<std::string, FuzzTarget>& FuzzTargets() { return Registered(); }

void FuzzCheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  std::abort();
}

}  // namespace stowage::testing
