#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/unique_fd.h"
#include "nix/call_limits.h"
#include "nix/closure_reader.h"
#include "nix/nix_options.h"
#include "nix/store_path.h"

namespace stowage {

// Makes GC roots for store paths that are valid already, so that no Nix has to be started for them.
//
// Nix deletes nothing while a shared lock on STATE/gc.lock is held, and every collection that
// begins later sees the links: the protocol by which Nix's own processes add temporary roots
// (LocalStore::addTempRoot).
// root_link: as for NixRealiser::Realise; RemoveRoots takes the links away.
// Returns false, and leaves no link, if a path is not valid, a collection is under way, or the lock
// cannot be had: NixRealiser::Realise does it then. Errors: of the file system; of `closures`
// except NotFound. Thread-safe except for two calls with one root_link.
absl::StatusOr<bool> RootValidPaths(absl::Span<const StorePath> paths, const std::string& root_link,
                                    const NixOptions& options, ClosureReader& closures);

// While the descriptor is open, Nix deletes nothing; links made meanwhile are roots for whatever it
// collects later. Waits for a collection that runs. Errors: DeadlineExceeded, Cancelled; those of
// opening the lock file, as for who may not write there.
absl::StatusOr<UniqueFd> KeepCollectionAway(const NixOptions& options, const CallLimits& limits);

// Whether the contents of valid paths still have the narHashes that Nix's database says; reads
// every byte. Errors: DataLoss with Nix's words if one has not; Unavailable if Nix cannot work,
// DeadlineExceeded, Cancelled. Thread-safe.
absl::Status VerifyContents(absl::Span<const StorePath> paths, const NixOptions& options,
                            const CallLimits& limits);

}  // namespace stowage
