#include "base/fault_point.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace stowage {
namespace {

void PrintFaultPoints() {
  for (const std::string& name : FaultPoints()) std::printf("%s\n", name.c_str());
}

// What shall die where. Lives for ever: threads pass fault points while the process exits.
class ArmedFault {
 public:
  static ArmedFault& Instance() {
    static ArmedFault* const instance = new ArmedFault;
    return *instance;
  }

  void Arm(absl::string_view name, int hit) {
    const absl::MutexLock lock(&mutex_);
    name_ = std::string(name);
    left_ = hit;
  }

  void Pass(absl::string_view name) {
    const absl::MutexLock lock(&mutex_);
    if (left_ == 0 || (name_ != "*" && name_ != name) || --left_ > 0) return;
    const std::string line = absl::StrCat("fault_point ", name, "\n");
    // Should that fail, the test that reads it fails.
    (void)!::write(STDERR_FILENO, line.data(), line.size());
    (void)::raise(SIGKILL);
  }

 private:
  ArmedFault() {
    const char* const text = std::getenv("STOWAGE_FAULT_POINT");
    if (text == nullptr) return;
    const absl::string_view fault = text;
    if (fault == "list") {
      std::atexit(PrintFaultPoints);
      return;
    }
    const size_t colon = fault.rfind(':');
    int hit = 0;
    if (colon == absl::string_view::npos || !absl::SimpleAtoi(fault.substr(colon + 1), &hit) ||
        hit < 1) {
      std::fprintf(stderr, "STOWAGE_FAULT_POINT=%s is neither 'list' nor NAME:HIT\n", text);
      std::abort();
    }
    name_ = std::string(fault.substr(0, colon));
    left_ = hit;
  }

  absl::Mutex mutex_;
  std::string name_ ABSL_GUARDED_BY(mutex_);
  int left_ ABSL_GUARDED_BY(mutex_) = 0;  // passes until death; 0: never
};

std::vector<std::string>& Registered() {
  static auto* const names = new std::vector<std::string>;
  return *names;
}

}  // namespace

namespace internal {

// Runs before main(), where there is one thread.
bool RegisterFaultPoint(const char* name) {
  Registered().emplace_back(name);
  (void)ArmedFault::Instance();
  return true;
}

void PassFaultPoint(const char* name) { ArmedFault::Instance().Pass(name); }

}  // namespace internal

void ArmFaultPoint(const std::string& name, int hit) { ArmedFault::Instance().Arm(name, hit); }

std::vector<std::string> FaultPoints() {
  std::vector<std::string> names = Registered();
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace stowage
