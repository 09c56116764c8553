#include "nix/cached_closure.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzPathInfo(absl::string_view bytes) {
  static const StorePath* const root =
      new StorePath(*StorePath::FromBaseName("a0000000000000000000000000000000-a"));
  const auto closure = ParsePathInfo(bytes, {*root});
  if (!closure.ok()) return;
  STOWAGE_FUZZ_CHECK(closure->roots.size() == 1);
  STOWAGE_FUZZ_CHECK(closure->objects[closure->roots[0]].path == *root);
  for (const StoreObject& object : closure->objects)
    for (const uint32_t reference : object.references)
      STOWAGE_FUZZ_CHECK(reference < closure->objects.size());
}

STOWAGE_FUZZ_TARGET(path_info, FuzzPathInfo);

}  // namespace
}  // namespace stowage
