#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nix/call_limits.h"
#include "nix/closure_reader.h"
#include "nix/nix_options.h"
#include "plugin/images/image_builder.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"
#include "plugin/images/record_source.h"
#include "plugin/images/resolve_job.h"

namespace stowage {

struct LazyStartOptions {
  NixOptions nix;
  RecordSourceOptions records;
  absl::Duration hold;  // ImageBuilderOptions::hold
};

// Starts images whose store paths are not there: records what is said of them instead of making
// them, and promises the store paths. Borrows its parts. Thread-safe.
class LazyStart {
 public:
  using Report = std::function<void(ResolveProgress)>;

  LazyStart(LazyStartOptions options, ClosureReader& closures, LayerCatalog& catalog,
            ImageTable& images, ImageBuilder& builder)
      : options_(std::move(options)),
        closures_(closures),
        catalog_(catalog),
        images_(images),
        builder_(builder) {}

  // Holds a recorded image lazily (HoldLazily), and has what its command needs fetched first. The
  // caller has a share of catalog.collecting().
  //
  // Returns false if it cannot be had so. Errors: as HoldLazily.
  absl::StatusOr<bool> Hold(const ImageRecord& image, const std::vector<int64_t>& layers,
                            const CallLimits& limits);

  // Records an image that was not made here, as another Stowage knows it, else as a provisional one
  // of what a binary cache says; and holds it.
  //
  // request.closure: not looked at. tag: asked for where there is no revision. unique: as
  // LayerCatalog::NewProfileDirectory has it.
  // Errors: Cancelled; any other says why the image has to be fetched whole.
  absl::StatusOr<ImageRecord> Start(ImageBuildRequest request, const std::string& tag,
                                    const std::string& unique, const Report& report,
                                    const CallLimits& limits);

 private:
  bool CanWait();
  absl::StatusOr<ImageRecord> Adopt(ImageBuildRequest request, const std::string& tag,
                                    const Report& report, const CallLimits& limits);
  absl::StatusOr<ImageRecord> MakeProvisional(ImageBuildRequest request, const std::string& unique,
                                              const Report& report, const CallLimits& limits);
  absl::StatusOr<ProvisionalProfile> ComposeProfileOf(const CachedClosure& cached,
                                                      const std::vector<RealisedPackage>& packages,
                                                      const std::string& unique,
                                                      const CallLimits& limits);
  absl::StatusOr<ImageRecord> Promise(const ImageRecord& image, const CallLimits& limits);

  const LazyStartOptions options_;
  ClosureReader& closures_;
  LayerCatalog& catalog_;
  ImageTable& images_;
  ImageBuilder& builder_;
};

}  // namespace stowage
