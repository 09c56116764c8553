#include "plugin/images/image_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "nix/image_reference.h"
#include "plugin/registry/mirrored_name.h"

namespace stowage {
namespace {

absl::Status CheckOurs(const ManifestRequest& request) {
  if (OwnerOfName(request.mirror_of, request.name) != NameOwner::kForeign) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(request.mirror_of, "/", request.name,
                                          " is not a Nix reference: those are ", request.mirror_of,
                                          "/nix/..."));
}

}  // namespace

size_t ImageService::AvailableThreads() { return 2 * AvailableCpus(); }

void ImageService::ResolveManifest(const ManifestRequest& request,
                                   std::function<void(absl::StatusOr<DocumentPointer>)> done) {
  if (absl::Status ours = CheckOurs(request); !ours.ok()) return done(ours);
  const auto reference = ImageReference::FromRepository(request.name, request.tag);
  if (!reference.ok()) return done(reference.status());
  if (const std::optional<ResolvedImage> image = resolver_.Remembered(*reference))
    return done(images_.FindManifest(image->image.manifest_digest));
  resolver_.Resolve(*reference)
      ->OnFinished([this, done = std::move(done)](const ResolveJob::Result& result) {
        if (!result.ok()) return done(result.status());
        done(images_.FindManifest(result->image.manifest_digest));
      });
}

absl::StatusOr<DocumentPointer> ImageService::FindManifest(const Digest& digest) {
  STOWAGE_ASSIGN_OR_RETURN(DocumentPointer manifest, images_.FindManifest(digest));
  // Held first and looked at then: in this order the collector cannot come in between.
  STOWAGE_RETURN_IF_ERROR(images_.HoldImage(digest, absl::Now(), hold_));
  STOWAGE_ASSIGN_OR_RETURN(const bool complete, images_.Complete(digest));
  if (complete) return manifest;
  return absl::NotFoundError(
      absl::StrCat("the store paths of ", digest.ToString(),
                   " are not held any longer: pull the image by its tag again"));
}

absl::StatusOr<Blob> ImageService::FindBlob(const Digest& digest) {
  auto document = images_.FindBlob(digest);
  if (document.ok()) return Blob(*std::move(document));
  if (!absl::IsNotFound(document.status())) return document.status();
  STOWAGE_RETURN_IF_ERROR(images_.HoldLayer(digest, absl::Now(), hold_));
  STOWAGE_ASSIGN_OR_RETURN(std::shared_ptr<const LayerArchive> archive, catalog_.Archive(digest));
  return Blob(std::move(archive));
}

void ImageService::OpenBlob(const Digest& digest, std::function<void(absl::StatusOr<Blob>)> done) {
  pool_.Submit([this, digest, done = std::move(done)] { done(FindBlob(digest)); });
}

absl::StatusOr<uint64_t> ImageService::BlobSize(const Digest& digest) {
  if (const auto document = images_.FindBlob(digest); document.ok())
    return (*document)->content.size();
  STOWAGE_ASSIGN_OR_RETURN(const LayerRecord layer, catalog_.table().FindByDiffId(digest));
  STOWAGE_RETURN_IF_ERROR(catalog_.CheckServed(layer));
  return layer.size_bytes;
}

absl::StatusOr<std::vector<std::string>> ImageService::ListTags(const std::string& name) {
  STOWAGE_ASSIGN_OR_RETURN(const ImageReference reference,
                           ImageReference::FromRepository(name, "latest"));
  return images_.Tags(reference.name());
}

std::vector<Referrer> ImageService::Referrers(const Digest& digest) {
  std::vector<Referrer> referrers;
  const auto records = images_.Referrers(digest);
  if (!records.ok()) return referrers;
  for (const ReferrerRecord& record : *records)
    referrers.push_back({record.artifact_type, record.manifest});
  return referrers;
}

}  // namespace stowage
