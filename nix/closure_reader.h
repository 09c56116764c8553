#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "nix/closure.h"
#include "nix/nix_options.h"
#include "nix/store_path.h"

namespace stowage {

// Reads the reference graph of valid store paths. Thread-safe.
class ClosureReader {
 public:
  virtual ~ClosureReader() = default;

  // The closure of `roots`. Errors: NotFound naming a root that is not valid; Internal, DataLoss or
  // Unavailable if the store's database cannot be read.
  virtual absl::StatusOr<Closure> Read(absl::Span<const StorePath> roots) = 0;

  // OK if every path is valid in the database and exists on disk. Errors: NotFound naming the first
  // one that is not; else as Read.
  virtual absl::Status CheckPathsValid(absl::Span<const StorePath> paths) = 0;

  // The NAR hashes of those paths that are valid, in the order of `paths`; nothing for the others.
  // Errors: as Read, without NotFound.
  virtual absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) = 0;
};

// The fastest reader that works here: Nix's database (as root, or whoever may read it), else the
// command line. Errors: Unavailable if neither works.
absl::StatusOr<std::unique_ptr<ClosureReader>> OpenClosureReader(const NixOptions& options);

}  // namespace stowage
