#include "base/sha256.h"

#include <openssl/evp.h>

#include <new>

namespace stowage {

Sha256Hasher::Sha256Hasher() : context_(EVP_MD_CTX_new()) {
  // SHA-256 is in every OpenSSL provider; what fails here is memory.
  if (context_ == nullptr ||
      EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}

Sha256Hasher::~Sha256Hasher() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Sha256Hasher::Update(const void* bytes, size_t size) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes, size);
}

Digest Sha256Hasher::Finish() {
  Digest::Bytes bytes;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), bytes.data(), nullptr);
  return Digest(bytes);
}

Digest Sha256(absl::string_view bytes) {
  Sha256Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

}  // namespace stowage
