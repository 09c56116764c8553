#include "fuse/fetch_message.h"
#include "fuse/nodeid.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzFetchMessage(absl::string_view bytes) {
  const auto message = ParseFetchMessage(bytes);
  if (!message.ok()) return;
  STOWAGE_FUZZ_CHECK(message->object_number >= 1 && message->object_number <= kMaxObjectNumber);
  STOWAGE_FUZZ_CHECK(EncodeFetchMessage(*message) == bytes);
}

STOWAGE_FUZZ_TARGET(fetch_message, FuzzFetchMessage);

}  // namespace
}  // namespace stowage
