#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "nix/closure_reader.h"
#include "nix/nix_options.h"

namespace stowage {

// Asks `nix-store`, which also works through a daemon: two processes per closure, 30 to 50 ms for
// 1,000 paths. Fallback, and the oracle that tests compare SqliteClosureReader with.
class CliClosureReader : public ClosureReader {
 public:
  explicit CliClosureReader(NixOptions options) : options_(std::move(options)) {}

  absl::StatusOr<Closure> Read(absl::Span<const StorePath> roots) override;
  absl::Status CheckPathsValid(absl::Span<const StorePath> paths) override;
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) override;

 private:
  const NixOptions options_;
};

}  // namespace stowage
