#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "base/digest.h"

namespace stowage {

// Incremental SHA-256 (FIPS 180-4) by OpenSSL. Not thread-safe; one use per object.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;

  void Update(const void* bytes, size_t size);
  void Update(absl::string_view bytes) { Update(bytes.data(), bytes.size()); }
  // The digest of everything given to Update; the object must not be used afterwards.
  Digest Finish();

 private:
  void* context_;  // EVP_MD_CTX, owned; the type stays out of the header so that OpenSSL stays a
                   // private dependency
};

Digest Sha256(absl::string_view bytes);

}  // namespace stowage
