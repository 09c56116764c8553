#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace stowage {

// How bad a finding is, worst first.
enum class Severity {
  kDanger,   // an image of a stranger may be run under a name of ours
  kError,    // something does not work
  kWarning,  // something is lost: disk accounting, downloads that need not be
  kNote,     // nothing to repair, but to know
};

// What a check has found.
struct Finding {
  std::string id;  // "hosts-no-server": never changes its meaning
  Severity severity = Severity::kNote;
  std::string problem;  // what is, where, and what follows
  std::string fix;      // what to do; "" with kNote for nothing
};

// "danger", "error", "warning", "note".
absl::string_view SeverityName(Severity severity);

}  // namespace stowage
