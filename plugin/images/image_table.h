#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "base/sqlite.h"
#include "layering/document.h"

namespace stowage {

// What people are told about an image besides its documents.
struct ImageSummary {
  std::string source;        // "git https://..."
  std::string revision;      // "" for a mutable source
  std::string architecture;  // "amd64"
  uint64_t store_path_count = 0;
  uint64_t nar_size_bytes = 0;
  std::vector<std::string> warnings;  // conflicts of the profile
  // Whose word it is: the URL of another Stowage, or kProvisional; "" if this node has made it of
  // the store paths themselves. A word is for this node's containers only.
  std::string recorded_by;
};

struct ImageRecord {
  int64_t id = 0;
  Digest cache_key;
  std::string name;  // canonical, without tag
  Digest manifest_digest;
  Digest config_digest;
  Digest chain_id;
  ImageSummary summary;
};

struct TagRecord {
  ImageRecord image;
  std::string revision;
  absl::Time resolved_at;
};

// Everything that is written about an image in one transaction.
struct NewImage {
  ImageRecord image;
  std::vector<int64_t> layers;      // base first
  std::vector<Document> manifests;  // the image's and its referrers
  std::vector<Document> blobs;      // config, closure document, ...
};

// An image whose layers are all held while some of their objects are promised.
struct LazyImageRecord {
  std::string name;
  uint64_t present = 0;  // store paths
  uint64_t total = 0;
};

struct ReferrerRecord {
  std::string artifact_type;
  DocumentPointer manifest;
};

// The tables of images, their documents and tags in the state database. Thread-safe.
class ImageTable {
 public:
  static absl::StatusOr<std::unique_ptr<ImageTable>> Open(const std::string& database_path);

  // Records an image; one with the same cache key is replaced. The documents of one that was made
  // here can be had by everybody from now on. Returns its id.
  absl::StatusOr<int64_t> Record(const NewImage& image);
  absl::Status SetTag(const std::string& name, const std::string& tag, int64_t image,
                      const std::string& revision, absl::Time now);

  // Errors of all finders: NotFound.
  absl::StatusOr<ImageRecord> FindByCacheKey(const Digest& cache_key);
  absl::StatusOr<TagRecord> FindTag(const std::string& name, const std::string& tag);
  absl::StatusOr<std::vector<int64_t>> Layers(int64_t image);
  absl::StatusOr<std::vector<std::string>> Tags(const std::string& name);
  // For everybody: what this node has made itself.
  absl::StatusOr<DocumentPointer> FindManifest(const Digest& digest);
  absl::StatusOr<DocumentPointer> FindBlob(const Digest& digest);
  // For this node: of any image.
  absl::StatusOr<DocumentPointer> FindDocument(const Digest& digest);
  absl::StatusOr<std::vector<ReferrerRecord>> Referrers(const Digest& subject);

  // Keep the layers of an image, or one layer, from being collected for `hold` from `now` on.
  // Written at most four times in that time, so that a busy image costs a look-up.
  absl::Status HoldImage(const Digest& manifest, absl::Time now, absl::Duration hold);
  absl::Status HoldLayer(const Digest& diff_id, absl::Time now, absl::Duration hold);

  // The held images that have some of these objects. Empty for none.
  absl::StatusOr<std::vector<LazyImageRecord>> LazyImages(absl::Span<const int64_t> promised);

  // Whether every layer of the images with this manifest has its roots; true for a manifest of no
  // image.
  absl::StatusOr<bool> Complete(const Digest& manifest);

 private:
  explicit ImageTable(SqliteDatabase database) : database_(std::move(database)) {}
  absl::Status Extend(absl::string_view which, const Digest& digest, absl::Time now,
                      absl::Duration hold);
  absl::StatusOr<DocumentPointer> FindDocument(const Digest& digest, absl::string_view kinds);
  absl::Status InsertDocument(const Document& document, int64_t kind)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  SqliteDatabase database_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
