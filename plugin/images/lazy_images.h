#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nix/call_limits.h"
#include "nix/closure_reader.h"
#include "nix/nix_options.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"

namespace stowage {

// What it needs of this node to hold an image lazily. Borrowed.
struct LazyHolding {
  LayerCatalog& catalog;
  ClosureReader& closures;
  const NixOptions& nix;
};

// Holds the layers of a recorded image without having all their store paths: those that are not
// valid are promised, and fetched when somebody looks into them (docs/fuse.md, "Promised objects").
// The caller has a share of catalog.collecting().
//
// layers: of the whole image. until: they are held at least so long.
// Returns false if the image cannot be had so: the record of its profile is lost, or a store path
// is valid with another narHash than recorded. Then nothing is held that was not held before.
// Errors: DeadlineExceeded while Nix collects garbage, Cancelled; else what the parts say.
absl::StatusOr<bool> HoldLazily(const LazyHolding& holding, absl::Span<const int64_t> layers,
                                absl::Time until, const CallLimits& limits);

// The object with the program that the image's containers run when nothing is said; nothing if
// there is none. Errors: what the parts say.
absl::StatusOr<std::optional<int64_t>> ObjectOfCommand(const ImageRecord& image,
                                                       absl::Span<const int64_t> layers,
                                                       ImageTable& images, LayerCatalog& catalog);

}  // namespace stowage
