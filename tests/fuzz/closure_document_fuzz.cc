#include "layering/image_documents.h"
#include "layering/received_documents.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzClosureDocument(absl::string_view bytes) {
  const auto manifest = ParseManifest(bytes);
  STOWAGE_FUZZ_CHECK(!manifest.ok() || !manifest->layers.empty());
  const auto received = ParseClosureDocument(bytes);
  if (!received.ok()) return;
  // What was read is written again as something that means the same.
  const Document again = EncodeClosureDocument(received->closure, received->layers);
  const auto reread = ParseClosureDocument(again.content);
  STOWAGE_FUZZ_CHECK(reread.ok() && reread->layers == received->layers);
  STOWAGE_FUZZ_CHECK(EncodeClosureDocument(reread->closure, reread->layers).digest == again.digest);
}

STOWAGE_FUZZ_TARGET(closure_document, FuzzClosureDocument);

}  // namespace
}  // namespace stowage
