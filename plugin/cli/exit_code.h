#pragma once

#include "absl/status/status.h"

namespace stowage {

// Exit codes of `stowage`; part of its interface (see --help).
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;        // wrong options, or what is no image reference
inline constexpr int kExitNotFound = 3;     // no such package, tag or image
inline constexpr int kExitUnreachable = 4;  // stowaged, containerd or the package source

int ExitCodeFor(const absl::Status& status);

}  // namespace stowage
