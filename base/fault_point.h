#pragma once

// Places between two durable writes, where a process that is killed leaves the most to put right.
//
//   STOWAGE_FAULT_POINT("snapshots.create.inserted");
//
// is nothing at all in the programs that are installed. In objects compiled with
// STOWAGE_FAULT_POINTS (tests/fault_points/CMakeLists.txt, which lists the sources) it counts, and
// ends the process by SIGKILL where a test has asked for it. A name is "area.operation.what has
// just been done", unique in the program; what it names is visible to others, and what follows is
// not done yet.
#ifdef STOWAGE_FAULT_POINTS

#include <cstddef>
#include <string>
#include <vector>

#define STOWAGE_FAULT_POINT(name) ::stowage::FaultPoint<name>::Pass()

namespace stowage {

// Dies at the hit-th pass, counted from 1 and from now, of the fault point `name`, "*" being any
// of them. The name of the point is written to standard error as "fault_point NAME\n" before.
// Replaces what was asked for earlier, by STOWAGE_FAULT_POINT=NAME:HIT in the environment too.
// Thread-safe.
void ArmFaultPoint(const std::string& name, int hit);

// All fault points of this program, sorted. With STOWAGE_FAULT_POINT=list in its environment a
// program prints them, one a line, when it exits.
std::vector<std::string> FaultPoints();

namespace internal {

bool RegisterFaultPoint(const char* name);
void PassFaultPoint(const char* name);

template <size_t kSize>
struct FaultPointName {
  consteval FaultPointName(const char (&name)[kSize]) {
    for (size_t i = 0; i < kSize; ++i) text[i] = name[i];
  }
  char text[kSize] = {};
};

}  // namespace internal

template <internal::FaultPointName kName>
class FaultPoint {
 public:
  static void Pass() {
    (void)registered_;  // used, so that it is there
    internal::PassFaultPoint(kName.text);
  }

 private:
  inline static const bool registered_ = internal::RegisterFaultPoint(kName.text);
};

}  // namespace stowage

#else
#define STOWAGE_FAULT_POINT(name) static_cast<void>(0)
#endif
