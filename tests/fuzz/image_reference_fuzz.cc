#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "nix/attribute_path.h"
#include "nix/image_reference.h"
#include "plugin/registry/request_target.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

// What holds for every reference, however it was made.
void CheckReference(const ImageReference& reference) {
  const auto from_repository = ImageReference::FromRepository(reference.name(), reference.tag());
  STOWAGE_FUZZ_CHECK(from_repository.ok() && *from_repository == reference);
  const auto with_prefix =
      ImageReference::FromRepository(absl::StrCat("nix/", reference.name()), reference.tag());
  STOWAGE_FUZZ_CHECK(with_prefix.ok() && *with_prefix == reference);
  const auto parsed = ImageReference::Parse(reference.ToString());
  STOWAGE_FUZZ_CHECK(parsed.ok() && *parsed == reference);
  const auto behind_host = ImageReference::Parse(absl::StrCat("docker.io/", reference.ToString()));
  STOWAGE_FUZZ_CHECK(behind_host.ok() && *behind_host == reference);

  // What clients accept, by the registry's own reading of distribution-spec.
  STOWAGE_FUZZ_CHECK(ValidateRepositoryName(absl::StrCat("nix/", reference.name())).ok());
  STOWAGE_FUZZ_CHECK(IsValidTag(reference.tag()));
  STOWAGE_FUZZ_CHECK(reference.shell() || !reference.packages().empty());
  for (const std::string& package : reference.packages()) {
    STOWAGE_FUZZ_CHECK(!IsMetaPackage(package));
    const auto parts = DecodeAttributePath(package);
    STOWAGE_FUZZ_CHECK(parts.ok() && EncodeAttributePath(*parts) == package);
    STOWAGE_FUZZ_CHECK(
        std::count(reference.packages().begin(), reference.packages().end(), package) == 1);
  }
}

void FuzzImageReference(absl::string_view bytes) {
  if (const auto reference = ImageReference::Parse(bytes); reference.ok())
    CheckReference(*reference);
  if (const auto reference = ImageReference::FromRepository(bytes, "v1"); reference.ok())
    CheckReference(*reference);
  STOWAGE_FUZZ_CHECK(CheckTag(bytes).ok() == IsValidTag(bytes));
}

STOWAGE_FUZZ_TARGET(image_reference, FuzzImageReference);

}  // namespace
}  // namespace stowage
