#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "layering/image_documents.h"

namespace stowage {

std::vector<Digest> ChainIds(absl::Span<const Digest> diff_ids) {
  std::vector<Digest> chain_ids;
  chain_ids.reserve(diff_ids.size());
  for (const Digest& diff_id : diff_ids) {
    chain_ids.push_back(chain_ids.empty() ? diff_id
                                          : Sha256(absl::StrCat(chain_ids.back().ToString(), " ",
                                                                diff_id.ToString())));
  }
  return chain_ids;
}

}  // namespace stowage
