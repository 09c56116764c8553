// Tells ThreadSanitizer what abseil's locks order. Debian's libabsl is built without it, so that
// everything an absl::Mutex guards would look like a race. The functions here stand before those of
// the library (the program's symbols win), call them, and say what they ordered: an unlock
// releases, the lock after it acquires. Part of every test program of the tsan preset, and of no
// other.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/base/options.h"
#include "absl/synchronization/mutex.h"

// What gRPC, protobuf and abseil read and write through intercepted functions (memcpy, free) is
// ordered by atomics inside them, which the sanitizer does not see either. Our own accesses are
// checked wherever they are called from.
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

// A call that runs by callbacks is kept by gRPC's headers, which are compiled with us, and handed
// from thread to thread by its library, which is not. Left out are the headers' counters, which
// call nothing of ours, and what runs when an answer was sent: of ours, only List's choice of its
// next block. The calls themselves are checked.
extern "C" const char* __tsan_default_suppressions() {
  return "race:grpc::internal::ServerCallbackCall::Ref\n"
         "race:grpc::internal::ServerCallbackCall::Unref\n"
         "race:grpc::internal::ServerCallbackCall::UnblockCancellation\n"
         "race:grpc::internal::Callback*Handler<*::RunHandler(*)::{lambda(bool)\n";
}

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

#define STOWAGE_TEXT_OF(name) STOWAGE_TEXT(name)
#define STOWAGE_TEXT(name) #name

// The library's own function: `prefix` is "_ZN" or "_ZNK", `rest` what follows the namespaces in
// the mangled name. A member function takes its object as the first argument (Itanium C++
// ABI, 3.1.5 and 5.1.4).
template <typename Function>
Function* LibraryFunction(const char* prefix, const char* rest) {
  std::string name = std::string(prefix) + "4absl";
#if ABSL_OPTION_USE_INLINE_NAMESPACE
  const std::string inline_namespace = STOWAGE_TEXT_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  name += std::to_string(inline_namespace.size()) + inline_namespace;
#endif
  name += rest;
  void* function = dlsym(RTLD_NEXT, name.c_str());
  if (function == nullptr) {
    std::fprintf(stderr, "tsan_absl_mutex: this abseil has no %s\n", name.c_str());
    std::abort();
  }
  return reinterpret_cast<Function*>(function);
}

// What waits gives the lock up and has it again when it returns.
class GivenUp {
 public:
  explicit GivenUp(void* mutex) : mutex_(mutex) { __tsan_release(mutex_); }
  ~GivenUp() { __tsan_acquire(mutex_); }

 private:
  void* mutex_;
};

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto function = LibraryFunction<void(Mutex*)>("_ZN", "5Mutex4LockEv");
  function(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static const auto function = LibraryFunction<void(Mutex*)>("_ZN", "5Mutex6UnlockEv");
  __tsan_release(this);
  function(this);
}

bool Mutex::TryLock() {
  static const auto function = LibraryFunction<bool(Mutex*)>("_ZN", "5Mutex7TryLockEv");
  const bool locked = function(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static const auto function = LibraryFunction<void(Mutex*)>("_ZN", "5Mutex10ReaderLockEv");
  function(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto function = LibraryFunction<void(Mutex*)>("_ZN", "5Mutex12ReaderUnlockEv");
  __tsan_release(this);
  function(this);
}

void Mutex::LockWhen(const Condition& condition) {
  static const auto function =
      LibraryFunction<void(Mutex*, const Condition&)>("_ZN", "5Mutex8LockWhenERKNS0_9ConditionE");
  function(this, condition);
  __tsan_acquire(this);
}

void Mutex::Await(const Condition& condition) {
  static const auto function =
      LibraryFunction<void(Mutex*, const Condition&)>("_ZN", "5Mutex5AwaitERKNS0_9ConditionE");
  const GivenUp given_up(this);
  function(this, condition);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static const auto function = LibraryFunction<bool(Mutex*, const Condition&, Duration)>(
      "_ZN", "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const GivenUp given_up(this);
  return function(this, condition, timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static const auto function = LibraryFunction<bool(Mutex*, const Condition&, Time)>(
      "_ZN", "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const GivenUp given_up(this);
  return function(this, condition, deadline);
}

void CondVar::Wait(Mutex* mutex) {
  static const auto function =
      LibraryFunction<void(CondVar*, Mutex*)>("_ZN", "7CondVar4WaitEPNS0_5MutexE");
  const GivenUp given_up(mutex);
  function(this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto function = LibraryFunction<bool(CondVar*, Mutex*, Duration)>(
      "_ZN", "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  const GivenUp given_up(mutex);
  return function(this, mutex, timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto function = LibraryFunction<bool(CondVar*, Mutex*, Time)>(
      "_ZN", "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  const GivenUp given_up(mutex);
  return function(this, mutex, deadline);
}

// Whoever unlocks evaluates the conditions of those that wait, with the lock held but after the
// release above.
bool Condition::Eval() const {
  static const auto function = LibraryFunction<bool(const Condition*)>("_ZNK", "9Condition4EvalEv");
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  const bool value = function(this);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  return value;
}

ABSL_NAMESPACE_END
}  // namespace absl
