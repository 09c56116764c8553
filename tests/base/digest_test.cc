#include "base/digest.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

const std::string kHex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST_CASE("Digest reads and writes the OCI form", "[base][digest]") {
  const auto digest = Digest::Parse("sha256:" + kHex);
  REQUIRE_OK(digest);
  CHECK(digest->ToString() == "sha256:" + kHex);
  CHECK(digest->hex() == kHex);
  CHECK(digest->bytes()[0] == 0xba);
  CHECK(*digest == *Digest::FromHex(kHex));
}

TEST_CASE("Digest rejects what is no sha256 digest", "[base][digest]") {
  const std::string bad =
      GENERATE(as<std::string>(), "", "sha256:", "sha256:zz", "sha512:" + kHex,
               "sha256:" + kHex + "0", "sha256:" + kHex.substr(1), "SHA256:" + kHex, kHex,
               "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Digest::Parse(bad).status().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace stowage
