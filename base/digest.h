#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// A SHA-256 digest as OCI writes it: "sha256:" and 64 lower-case hexadecimal digits (image-spec,
// descriptor.md). Always valid: there is no empty digest. A value type.
class Digest {
 public:
  using Bytes = std::array<uint8_t, 32>;

  explicit Digest(const Bytes& bytes) : bytes_(bytes) {}

  // "sha256:<64 lower-case hex>". Errors: InvalidArgument.
  static absl::StatusOr<Digest> Parse(absl::string_view text);
  // 64 lower-case hexadecimal digits. Errors: InvalidArgument.
  static absl::StatusOr<Digest> FromHex(absl::string_view hex);

  const Bytes& bytes() const { return bytes_; }
  std::string hex() const;
  std::string ToString() const;

  friend auto operator<=>(const Digest&, const Digest&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Digest& digest) {
    return H::combine(std::move(state), digest.bytes_);
  }

 private:
  Bytes bytes_;
};

}  // namespace stowage
