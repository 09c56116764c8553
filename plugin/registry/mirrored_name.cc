#include "plugin/registry/mirrored_name.h"

#include "absl/strings/match.h"

namespace stowage {

NameOwner OwnerOfName(absl::string_view mirror_of, absl::string_view name) {
  if (mirror_of.empty() || mirror_of == "nix" || mirror_of == "nix.local" ||
      absl::StartsWith(mirror_of, "nix:") || absl::StartsWith(mirror_of, "nix.local:"))
    return NameOwner::kOurHost;
  return absl::StartsWith(name, "nix/") ? NameOwner::kSharedHost : NameOwner::kForeign;
}

}  // namespace stowage
