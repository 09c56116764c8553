#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nix/call_limits.h"
#include "nix/closure.h"
#include "nix/nix_options.h"
#include "nix/store_path.h"

namespace stowage {

struct CachedClosure {
  std::string cache_url;  // "https://HOST/PATH", without parameters and a slash at the end
  Closure closure;
};

// The closure of store paths as a binary cache describes it, nothing of which need be here: that of
// the first HTTP cache Nix is configured with ("substituters") that has all of it, each path signed
// by a key that this node trusts. A signature is over path, NAR hash, NAR size and references.
//
// Errors: FailedPrecondition saying for each cache why it is not the one; DeadlineExceeded,
// Cancelled; Unavailable if Nix cannot work. Blocks; thread-safe.
absl::StatusOr<CachedClosure> ReadCachedClosure(absl::Span<const StorePath> roots,
                                                const NixOptions& options,
                                                const CallLimits& limits);

// What `nix path-info --json` has printed about all paths of a closure: a list of objects with
// "path" (Nix before 2.19) or an object by path. Errors: InvalidArgument for anything else, a
// reference that leads out of it, a root that is not in it and more than 20,000 paths. Pure.
absl::StatusOr<Closure> ParsePathInfo(absl::string_view json_text,
                                      absl::Span<const StorePath> roots);

}  // namespace stowage
