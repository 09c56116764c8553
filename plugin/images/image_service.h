#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "plugin/images/image_resolver.h"
#include "plugin/registry/image_source.h"

namespace stowage {

// Gives the registry endpoint what the resolver and the tables have. Thread-safe.
class ImageService : public ImageSource {
 public:
  ImageService(ImageResolver& resolver, LayerCatalog& catalog, ImageTable& images,
               absl::Duration hold)
      : resolver_(resolver),
        catalog_(catalog),
        images_(images),
        hold_(hold),
        pool_(AvailableThreads()) {}

  void ResolveManifest(const ManifestRequest& request,
                       std::function<void(absl::StatusOr<DocumentPointer>)> done) override;
  absl::StatusOr<DocumentPointer> FindManifest(const Digest& digest) override;
  void OpenBlob(const Digest& digest, std::function<void(absl::StatusOr<Blob>)> done) override;
  absl::StatusOr<uint64_t> BlobSize(const Digest& digest) override;
  absl::StatusOr<std::vector<std::string>> ListTags(const std::string& name) override;
  std::vector<Referrer> Referrers(const Digest& digest) override;

 private:
  static size_t AvailableThreads();
  absl::StatusOr<Blob> FindBlob(const Digest& digest);

  ImageResolver& resolver_;
  LayerCatalog& catalog_;
  ImageTable& images_;
  const absl::Duration hold_;
  ThreadPool pool_;  // indexes layers, which reads directories
};

}  // namespace stowage
