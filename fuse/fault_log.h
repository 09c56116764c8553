#pragma once

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/log.h"

namespace stowage {

// Logs what is wrong with an object or view once, however often it is asked for. Thread-safe.
class FaultLog {
 public:
  enum class Kind : uint8_t { kObject, kView };

  explicit FaultLog(LogFunction log) : log_(std::move(log)) {}

  // One line "<event> object=<number> <details>" at error level. After kMaxRemembered different
  // faults all are forgotten, and may be logged again.
  void Report(Kind kind, uint64_t number, absl::string_view event, absl::string_view details);

 private:
  static constexpr size_t kMaxRemembered = 10000;

  const LogFunction log_;
  absl::Mutex mutex_;
  absl::flat_hash_set<std::pair<Kind, uint64_t>> reported_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
