#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "plugin/registry/accept_encoding.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzAcceptEncoding(absl::string_view bytes) {
  const ContentCoding coding = ChooseContentCoding(bytes);
  // Never a coding that the client did not name.
  const std::string lower = absl::AsciiStrToLower(bytes);
  STOWAGE_FUZZ_CHECK(absl::StrContains(lower, ContentCodingName(coding)));
  // Codings unknown here change nothing; the last member that names a coding counts.
  STOWAGE_FUZZ_CHECK(ChooseContentCoding(absl::StrCat("br;q=0.9, ", bytes, ", *")) == coding);
  STOWAGE_FUZZ_CHECK(ChooseContentCoding(absl::StrCat(bytes, ",gzip;q=0,zstd;q=0")) ==
                     ContentCoding::kIdentity);
  STOWAGE_FUZZ_CHECK(ChooseContentCoding(absl::StrCat(bytes, ",identity;q=0,zstd")) ==
                     ContentCoding::kZstd);
}

STOWAGE_FUZZ_TARGET(accept_encoding, FuzzAcceptEncoding);

}  // namespace
}  // namespace stowage
