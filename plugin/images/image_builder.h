#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/digest.h"
#include "layering/image_documents.h"
#include "layering/layer_plan.h"
#include "layering/profile.h"
#include "nix/closure.h"
#include "nix/image_reference.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"
#include "plugin/images/provisional_profile.h"
#include "plugin/images/record_source.h"
#include "plugin/images/resolve_job.h"

namespace stowage {

// A package of an image after it was realised.
struct RealisedPackage {
  enum class Origin { kAsked, kShell, kAlways };
  Origin origin;
  StorePath out_path;
  std::string main_program;  // "" if the set does not say
};

struct ImageBuildRequest {
  ImageReference reference;
  Digest cache_key;
  std::string source;      // for people
  std::string source_url;  // for the image's labels; "" if it means something on this machine only
  std::string revision;
  // In the image's order: what was asked for, then the shell's, then the always added ones; no path
  // twice.
  std::vector<RealisedPackage> packages;
  // Of all packages together; its roots are their paths in the same order.
  Closure closure;
  std::stop_token stop;  // asked before each layer that is hashed
};

struct ImageBuilderOptions {
  std::string state_directory;
  std::string store_directory = "/nix/store";
  LayerPlanOptions layering;
  absl::Duration hold;  // how long a new image is kept when nobody uses it
  bool prepare_views;   // make what the view driver needs (nodes with a snapshotter)
  // Errors: DataLoss if a store path is not what Nix has recorded of it. For what contradicts
  // another's record.
  std::function<absl::Status(const std::vector<StorePath>&, std::stop_token)> verify{};
};

// Makes an image out of a realised closure, or of what others say of one: plan, layers, profile,
// documents, roots, and records all of it. Thread-safe.
class ImageBuilder {
 public:
  using Report = std::function<void(ResolveProgress)>;

  ImageBuilder(ImageBuilderOptions options, LayerCatalog& catalog, ImageTable& images)
      : options_(std::move(options)), catalog_(catalog), images_(images) {}

  // Something must keep the closure's paths from being collected until this returns.
  // Errors: NotFound for a path that vanished, ResourceExhausted for a full disk, else what the
  // parts say. An error leaves nothing that a later build of the same image would not use or
  // replace.
  absl::StatusOr<ImageRecord> Build(const ImageBuildRequest& request, const Report& report);

  // Records the image as if it had been made here, without roots: nothing of it need be there.
  // Layers that were not hashed here are recorded as the other's word.
  //
  // request.closure: `received`'s with this node's roots. source: who has sent it.
  // Errors: FailedPrecondition if this node would make something else of these packages, the
  // message saying what; InvalidArgument for a profile that is none of these packages; else what
  // the parts say. After an error the image is not recorded.
  absl::StatusOr<ImageRecord> Adopt(const ImageBuildRequest& request, const ReceivedImage& received,
                                    const std::string& source);

  // Records an image of store paths that are not there and of which nobody knows the layers'
  // diff_ids: it gets made-up ones, of layer format, names and narHashes, and so an image ID that
  // it has here only, as long as it was not built.
  //
  // request.closure: as a binary cache has it. Errors: what the parts say.
  absl::StatusOr<ImageRecord> MakeProvisional(const ImageBuildRequest& request,
                                              const ProvisionalProfile& profile);

 private:
  struct Draft;
  struct EncodedImage;
  absl::Status PlanLayers(const ImageBuildRequest& request, Draft& draft);
  absl::Status HashLayers(const ImageBuildRequest& request, const Report& report, Draft& draft);
  absl::Status HashLayer(const ImageBuildRequest& request, size_t index,
                         const std::function<void(uint64_t)>& progress, Draft& draft);
  absl::Status SettleLayer(const ImageBuildRequest& request, const LayerRecord& recorded,
                           const LayerDigest& digest, const LayerArchive& archive,
                           const std::vector<ObjectRecord>& objects);
  absl::Status AddProfile(const ImageBuildRequest& request, Draft& draft);
  absl::StatusOr<LayerRecord> WriteProfileLayer(const Profile& profile, const Digest& content_key);
  absl::Status AdoptLayers(const ReceivedImage& received, const std::string& source, Draft& draft);
  // The layer of a profile that was not composed of what is there.
  absl::StatusOr<LayerRecord> GivenProfileLayer(const Profile& profile);
  absl::Status Keep(const ImageBuildRequest& request, Draft& draft);
  absl::Status Show(const Draft& draft);
  absl::StatusOr<ImageRecord> Record(const ImageBuildRequest& request,
                                     const EncodedImage& documents, const Draft& draft);
  absl::StatusOr<EncodedImage> Encode(const ImageBuildRequest& request, const Draft& draft) const;
  ImageDescription Describe(const ImageBuildRequest& request, const Draft& draft) const;

  const ImageBuilderOptions options_;
  LayerCatalog& catalog_;
  ImageTable& images_;
};

}  // namespace stowage
