#pragma once

#include <memory>
#include <string>

#include "base/digest.h"

namespace stowage {

// A small immutable blob of an image: manifest, config, closure document. digest is the SHA-256 of content.
struct Document {
  Digest digest;
  std::string media_type;
  std::string content;
};
using DocumentPointer = std::shared_ptr<const Document>;  // owners: caches and the requests that are sending it

}  // namespace stowage
