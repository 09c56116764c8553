#include "layering/layer_key.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"

namespace stowage {

Digest LayerKey(absl::Span<const std::string> base_names) {
  std::vector<absl::string_view> sorted(base_names.begin(), base_names.end());
  std::sort(sorted.begin(), sorted.end());
  Sha256Hasher hasher;
  hasher.Update(absl::StrCat("stowage-layer ", kLayerFormatVersion, "\n"));
  for (absl::string_view name : sorted) hasher.Update(absl::StrCat(name.size(), ":", name, "\n"));
  return hasher.Finish();
}

}  // namespace stowage
