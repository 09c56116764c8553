#include "layering/profile.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzProfileText(absl::string_view bytes) {
  const auto profile = DecodeProfile(bytes);
  if (!profile.ok()) return;
  // What was read is written again as something that means the same.
  const auto again = DecodeProfile(EncodeProfile(*profile));
  STOWAGE_FUZZ_CHECK(again.ok() && again->entries == profile->entries);
}

STOWAGE_FUZZ_TARGET(profile_text, FuzzProfileText);

}  // namespace
}  // namespace stowage
