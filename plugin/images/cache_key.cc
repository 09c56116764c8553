#include "plugin/images/cache_key.h"

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "layering/layer_key.h"

namespace stowage {
namespace {

// Of the image documents; counted up when config, manifest or profile of an unchanged closure
// change.
constexpr int kImageFormatVersion = 1;

void AppendList(std::vector<std::string>& texts, const std::vector<std::string>& list) {
  texts.push_back(absl::StrCat(list.size()));
  texts.insert(texts.end(), list.begin(), list.end());
}

}  // namespace

Digest DelimitedDigest(const std::vector<std::string>& texts) {
  Sha256Hasher hasher;
  for (const std::string& text : texts) hasher.Update(absl::StrCat(text.size(), ":", text, ","));
  return hasher.Finish();
}

Digest ImageCacheKey(const CacheKeyParts& parts) {
  std::vector<std::string> texts = {"stowage image",
                                    absl::StrCat(kImageFormatVersion),
                                    absl::StrCat(kLayerFormatVersion),
                                    parts.system,
                                    parts.source,
                                    parts.revision,
                                    parts.name,
                                    parts.plan_identity};
  AppendList(texts, parts.packages);
  AppendList(texts, parts.always);
  return DelimitedDigest(texts);
}

}  // namespace stowage
