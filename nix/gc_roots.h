#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nix/store_path.h"

namespace stowage {

// Symbolic links that keep store paths from Nix's garbage collector, in sets with one holder each:
// DIRECTORY/layers/HOLDER/BASE-NAME -> /nix/store/BASE-NAME. A set is there completely or not at
// all, also after a crash. Links made here protect from the next collection on: let something else
// hold the paths meanwhile (a link by Realise), and check their validity afterwards. Thread-safe
// except for two calls about one holder.
class GcRoots {
 public:
  // directory: below Nix's gcroots, as /nix/var/nix/gcroots/stowage; made when needed.
  explicit GcRoots(std::string directory) : directory_(std::move(directory)) {}

  // Roots `paths` for `holder`; a set that it has already is replaced. holder: one path component
  // of [A-Za-z0-9._-] that does not begin with '.', at most 200 characters. Errors:
  // InvalidArgument; those of the file system.
  absl::Status Add(const std::string& holder, absl::Span<const StorePath> paths);

  // Lets go of a holder's paths. A holder that does not exist is OK.
  absl::Status Remove(const std::string& holder);

  // All holders, sorted.
  absl::StatusOr<std::vector<std::string>> Holders();

  // The path to give to NixRealiser::Realise for a resolve in progress, alone in a directory of its
  // own: DIRECTORY/resolving/UNIQUE/root. unique: as holder, not used twice at the same time.
  std::string ResolveLink(const std::string& unique) const;

  // For the start of the daemon, when nothing else uses the directory: removes all that ResolveLink
  // was used for, and what interrupted calls of Add and Remove left.
  absl::Status RemoveResolveLinks();
  absl::Status RemoveUnfinished();

 private:
  const std::string directory_;
};

}  // namespace stowage
