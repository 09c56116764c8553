#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "layering/profile.h"
#include "nix/cached_closure.h"
#include "nix/call_limits.h"

namespace stowage {

struct ProvisionalProfile {
  Profile profile;
  // By base name: what the cache has listed, nothing of which was checked (StoreTreeDigest).
  std::vector<std::pair<std::string, Digest>> listed;
};

struct ProvisionalProfileRequest {
  const CachedClosure& closure;
  std::vector<std::string> packages;              // ProfileOptions::packages
  const absl::flat_hash_set<std::string>& valid;  // base names of the store paths that are there
  std::string store_directory;
  std::string scratch;  // a directory that is made for the time of the call
};

// Composes the profile of packages that are not there of what their binary cache lists of them, and
// of what their links lead into. One request for each such store path, a minute for all.
//
// Errors: NotFound if the cache lists a path not; InvalidArgument for a listing that is none;
// Unavailable, DeadlineExceeded, Cancelled; else as ComposeProfile. Nothing is left in `scratch`
// unless the process is killed. Thread-safe.
absl::StatusOr<ProvisionalProfile> ComposeProvisionalProfile(
    const ProvisionalProfileRequest& request, const CallLimits& limits);

}  // namespace stowage
