#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace stowage::testing {

// SHA-256 of the NAR of a file, link or directory (Nix manual, "Nix Archive format"): what Nix
// calls its narHash. Written for small trees: files are read whole.
absl::StatusOr<Digest> NarHash(const std::string& path);

}  // namespace stowage::testing
