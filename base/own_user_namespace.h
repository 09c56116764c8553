#pragma once

#include "absl/strings/string_view.h"

namespace stowage {

// True unless this process is in the initial user namespace. Thread-safe.
bool InUserNamespace();

// True unless the text of /proc/self/uid_map maps every user to itself, as in the initial user
// namespace.
bool IsUserNamespaceMap(absl::string_view uid_map);

}  // namespace stowage
