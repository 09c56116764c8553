#pragma once

#include <string>
#include <vector>

#include "base/digest.h"

namespace stowage {

// Everything that the bytes of an image depend on.
struct CacheKeyParts {
  std::string system;    // x86_64-linux
  std::string source;    // identity of the package source, as in "git https://..."
  std::string revision;  // a commit, or a digest over the evaluated outputs of a mutable source
  std::vector<std::string> packages;  // as looked up, in the image's order
  std::vector<std::string> always;    // added where the set has them
  std::string plan_identity;          // strategy, version, constants
  std::string name;                   // canonical reference: it is in the image's labels
};

// The key under which a finished image is remembered. Every part is delimited by its length, so
// that no two different lists of parts give the same text; the versions of the layer and image
// formats are part of it.
Digest ImageCacheKey(const CacheKeyParts& parts);

// Digest over texts with the same delimiting, for other keys.
Digest DelimitedDigest(const std::vector<std::string>& texts);

}  // namespace stowage
