#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nix/call_limits.h"
#include "nix/evaluation.h"
#include "nix/nix_options.h"
#include "nix/store_path.h"

namespace stowage {

// How far a realisation is.
struct RealiseProgress {
  enum class Phase { kBuilding, kCopying };
  Phase phase = Phase::kBuilding;
  uint64_t done = 0;     // derivations built, or bytes copied from binary caches
  uint64_t total = 0;    // as far as Nix knows it yet; 0 = unknown
  std::string current;   // "building hello-2.10", "copying glibc-2.36"
  std::string log_line;  // newest line of a builder's log, "" if none came since the last event
};

// Makes store paths exist, by building or copying, by `nix-store --realise`. Thread-safe.
class NixRealiser {
 public:
  // Called on the caller's thread, about ten times a second at most; lines in between are dropped.
  using Progress = std::function<void(const RealiseProgress&)>;

  explicit NixRealiser(NixOptions options) : options_(std::move(options)) {}

  // Realises every package's output in one call that makes GC roots as well, and returns the store
  // paths in the order of packages.
  //
  // root_link: absolute path of a link that does not exist, alone in its directory (missing ones
  // are made); Nix adds "-2", "-man" and so on for more results. RemoveRoots(root_link) takes all
  // of them away, also what a failed call left.
  // Errors: FailedPrecondition for a failed build, first line "build of NAME failed: REASON", then
  // the last lines of the builder's log; DeadlineExceeded, Cancelled (Nix has ended its builders
  // then); Unavailable if Nix cannot work (no daemon) or a derivation was collected since its
  // evaluation (evaluate again); ResourceExhausted for a full disk.
  absl::StatusOr<std::vector<StorePath>> Realise(absl::Span<const EvaluatedPackage> packages,
                                                 const std::string& root_link,
                                                 const Progress& on_progress,
                                                 const CallLimits& limits);

 private:
  NixOptions options_;
};

// Removes the links that Realise made for root_link, and their directory if that is empty then. Not
// existing is OK.
absl::Status RemoveRoots(const std::string& root_link);

}  // namespace stowage
