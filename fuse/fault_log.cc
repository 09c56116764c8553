#include "fuse/fault_log.h"

#include "absl/strings/str_cat.h"

namespace stowage {

void FaultLog::Report(Kind kind, uint64_t number, absl::string_view event,
                      absl::string_view details) {
  {
    const absl::MutexLock lock(&mutex_);
    if (reported_.size() >= kMaxRemembered) reported_.clear();
    if (!reported_.insert({kind, number}).second) return;
  }
  log_(LogLevel::kError,
       absl::StrCat(event, kind == Kind::kObject ? " object=" : " view=", number, " ", details));
}

}  // namespace stowage
