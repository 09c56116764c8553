#include "base/sha256.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("Sha256 gives the vectors of FIPS 180-4", "[base][sha256]") {
  CHECK(Sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256("").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("Sha256Hasher gives the same digest however the input is cut", "[base][sha256]") {
  Sha256Hasher hasher;
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  CHECK(hasher.Finish() == Sha256("abc"));
}

}  // namespace
}  // namespace stowage
