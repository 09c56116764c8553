#include "base/digest.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

constexpr absl::string_view kPrefix = "sha256:";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

absl::StatusOr<Digest> Digest::Parse(absl::string_view text) {
  if (text.substr(0, kPrefix.size()) != kPrefix)
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::CEscape(text.substr(0, 100)),
                     "' is no digest of the form sha256:<64 hex digits>"));
  return FromHex(text.substr(kPrefix.size()));
}

absl::StatusOr<Digest> Digest::FromHex(absl::string_view hex) {
  Bytes bytes;
  bool valid = hex.size() == 2 * bytes.size();
  for (size_t i = 0; valid && i < bytes.size(); ++i) {
    const int high = HexValue(hex[2 * i]), low = HexValue(hex[2 * i + 1]);
    valid = high >= 0 && low >= 0;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  if (!valid)
    return absl::InvalidArgumentError(absl::StrCat("'", absl::CEscape(hex.substr(0, 100)),
                                                   "' are not 64 lower-case hexadecimal digits"));
  return Digest(bytes);
}

std::string Digest::hex() const {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()));
}

std::string Digest::ToString() const { return absl::StrCat(kPrefix, hex()); }

}  // namespace stowage
