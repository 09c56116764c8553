#include "layering/store_listing.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

constexpr char kName[] = "00000000000000000000000000000001-a";

void FuzzStoreListing(absl::string_view bytes) {
  const auto tree = ParseStoreListing(kName, bytes);
  if (!tree.ok()) return;
  STOWAGE_FUZZ_CHECK(StoreTreeDigest(*tree) == StoreTreeDigest(*tree));
  for (const std::string& linked : LinkedStorePaths(*tree))
    STOWAGE_FUZZ_CHECK(linked != kName && linked.find('/') == std::string::npos);
  // Everything has its place below the store path.
  for (LayerIndex::EntryNumber number = 0; number < tree->entry_count(); ++number) {
    const LayerIndex::Located located(*tree, number);
    const absl::string_view path = located.entry().path;
    STOWAGE_FUZZ_CHECK(path.substr(0, sizeof(kName) - 1) == kName);
    STOWAGE_FUZZ_CHECK(path.find("/../") == absl::string_view::npos);
  }
}

STOWAGE_FUZZ_TARGET(store_listing, FuzzStoreListing);

}  // namespace
}  // namespace stowage
