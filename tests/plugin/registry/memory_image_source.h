#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "plugin/registry/image_source.h"

namespace stowage::testing {

// An ImageSource of values in memory. Fill it before it is used; then thread-safe.
class MemoryImageSource : public ImageSource {
 public:
  static DocumentPointer MakeDocument(const std::string& media_type, const std::string& content);

  // Makes name:tag answer with this; a manifest is found by its digest, too.
  void AddManifest(const std::string& name, const std::string& tag, DocumentPointer manifest);
  void AddError(const std::string& name, const std::string& tag, absl::Status error);
  // name:tag is answered when the test calls AnswerWaiting.
  void AddSlow(const std::string& name, const std::string& tag);
  void AddBlob(const Digest& digest, Blob blob) { blobs_.emplace(digest, std::move(blob)); }
  void AddReferrer(const Digest& subject, Referrer referrer);

  // Blocks until `count` requests wait.
  void AwaitWaiting(size_t count);
  void AnswerWaiting(const absl::StatusOr<DocumentPointer>& answer);
  std::vector<ManifestRequest> requests();

  void ResolveManifest(const ManifestRequest& request,
                       std::function<void(absl::StatusOr<DocumentPointer>)> done) override;
  absl::StatusOr<DocumentPointer> FindManifest(const Digest& digest) override;
  void OpenBlob(const Digest& digest, std::function<void(absl::StatusOr<Blob>)> done) override;
  absl::StatusOr<uint64_t> BlobSize(const Digest& digest) override;
  absl::StatusOr<std::vector<std::string>> ListTags(const std::string& name) override;
  std::vector<Referrer> Referrers(const Digest& digest) override;

 private:
  std::map<std::string, std::map<std::string, absl::StatusOr<DocumentPointer>>> tags_;
  std::map<Digest, DocumentPointer> manifests_;
  std::map<Digest, Blob> blobs_;
  std::map<Digest, std::vector<Referrer>> referrers_;
  std::map<std::string, bool> slow_;

  absl::Mutex mutex_;
  std::vector<std::function<void(absl::StatusOr<DocumentPointer>)>> waiting_
      ABSL_GUARDED_BY(mutex_);
  std::vector<ManifestRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage::testing
