#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nix/call_limits.h"
#include "nix/nix_options.h"
#include "nix/store_path.h"

namespace stowage {

// Copies store paths, and what they refer to, from the binary caches that Nix is configured with.
// Never builds. What cannot be had does not keep the others from coming, so after an error too the
// caller asks which paths are valid now. Makes no roots: links to the paths, made before, do.
//
// on_event: may be null; called on the caller's thread about five times a second while Nix works,
// when some of the paths may have become valid.
// Errors: FailedPrecondition with Nix's own words when a path cannot be had; DeadlineExceeded,
// Cancelled; Unavailable if Nix cannot work; ResourceExhausted for a full disk. Thread-safe.
absl::Status FetchPaths(absl::Span<const StorePath> paths, const NixOptions& options,
                        const CallLimits& limits, const std::function<void()>& on_event);

}  // namespace stowage
