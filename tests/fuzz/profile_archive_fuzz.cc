#include "layering/profile_archive.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzProfileArchive(absl::string_view bytes) {
  const auto profile = ReadProfileArchive(bytes);
  if (!profile.ok()) return;
  for (const ProfileEntry& entry : profile->entries)
    STOWAGE_FUZZ_CHECK(!entry.path.empty() && entry.path.front() != '/' &&
                       entry.path.find("..") != 0);
  const auto again = DecodeProfile(EncodeProfile(*profile));
  STOWAGE_FUZZ_CHECK(again.ok() && again->key == profile->key);
}

STOWAGE_FUZZ_TARGET(profile_archive, FuzzProfileArchive);

}  // namespace
}  // namespace stowage
