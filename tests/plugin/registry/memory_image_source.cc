#include "tests/plugin/registry/memory_image_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace stowage::testing {

DocumentPointer MemoryImageSource::MakeDocument(const std::string& media_type,
                                                const std::string& content) {
  return std::make_shared<const Document>(Document{Sha256(content), media_type, content});
}

void MemoryImageSource::AddManifest(const std::string& name, const std::string& tag,
                                    DocumentPointer manifest) {
  manifests_[manifest->digest] = manifest;
  tags_[name].insert_or_assign(tag, std::move(manifest));
}

void MemoryImageSource::AddError(const std::string& name, const std::string& tag,
                                 absl::Status error) {
  tags_[name].insert_or_assign(tag, std::move(error));
}

void MemoryImageSource::AddSlow(const std::string& name, const std::string& tag) {
  slow_[absl::StrCat(name, ":", tag)] = true;
}

void MemoryImageSource::AddReferrer(const Digest& subject, Referrer referrer) {
  referrers_[subject].push_back(std::move(referrer));
}

void MemoryImageSource::AwaitWaiting(size_t count) {
  const absl::MutexLock lock(&mutex_);
  const auto there = [&]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return waiting_.size() >= count; };
  mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
}

void MemoryImageSource::AnswerWaiting(const absl::StatusOr<DocumentPointer>& answer) {
  std::vector<std::function<void(absl::StatusOr<DocumentPointer>)>> waiting;
  {
    const absl::MutexLock lock(&mutex_);
    waiting.swap(waiting_);
  }
  for (const auto& done : waiting) done(answer);
}

std::vector<ManifestRequest> MemoryImageSource::requests() {
  const absl::MutexLock lock(&mutex_);
  return requests_;
}

void MemoryImageSource::ResolveManifest(const ManifestRequest& request,
                                        std::function<void(absl::StatusOr<DocumentPointer>)> done) {
  {
    const absl::MutexLock lock(&mutex_);
    requests_.push_back(request);
    if (slow_.count(absl::StrCat(request.name, ":", request.tag)) > 0) {
      waiting_.push_back(std::move(done));
      return;
    }
  }
  const auto name = tags_.find(request.name);
  if (name == tags_.end() || name->second.count(request.tag) == 0)
    return done(
        absl::NotFoundError(absl::StrCat("no package ", request.name, " in ", request.tag)));
  done(name->second.at(request.tag));
}

absl::StatusOr<DocumentPointer> MemoryImageSource::FindManifest(const Digest& digest) {
  const auto found = manifests_.find(digest);
  if (found == manifests_.end())
    return absl::NotFoundError(absl::StrCat("no manifest ", digest.ToString()));
  return found->second;
}

void MemoryImageSource::OpenBlob(const Digest& digest,
                                 std::function<void(absl::StatusOr<Blob>)> done) {
  const auto found = blobs_.find(digest);
  if (found == blobs_.end())
    return done(absl::NotFoundError(absl::StrCat("no blob ", digest.ToString())));
  done(found->second);
}

absl::StatusOr<uint64_t> MemoryImageSource::BlobSize(const Digest& digest) {
  const auto found = blobs_.find(digest);
  if (found == blobs_.end())
    return absl::NotFoundError(absl::StrCat("no blob ", digest.ToString()));
  if (const DocumentPointer* document = std::get_if<DocumentPointer>(&found->second))
    return (*document)->content.size();
  return std::get<std::shared_ptr<const LayerArchive>>(found->second)->size_bytes();
}

absl::StatusOr<std::vector<std::string>> MemoryImageSource::ListTags(const std::string& name) {
  const auto found = tags_.find(name);
  if (found == tags_.end()) return absl::NotFoundError(absl::StrCat("no repository ", name));
  std::vector<std::string> tags;
  for (const auto& [tag, manifest] : found->second) tags.push_back(tag);
  return tags;
}

std::vector<Referrer> MemoryImageSource::Referrers(const Digest& digest) {
  const auto found = referrers_.find(digest);
  return found == referrers_.end() ? std::vector<Referrer>() : found->second;
}

}  // namespace stowage::testing
