#include "plugin/registry/entity_tag.h"

#include "base/sha256.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("EntityTagOf differs for each coding", "[registry]") {
  const Digest digest = Sha256("");
  CHECK(EntityTagOf(digest, ContentCoding::kIdentity) == "\"" + digest.ToString() + "\"");
  CHECK(EntityTagOf(digest, ContentCoding::kGzip) == "\"" + digest.ToString() + "-gzip\"");
  CHECK(EntityTagOf(digest, ContentCoding::kZstd) == "\"" + digest.ToString() + "-zstd\"");
}

TEST_CASE("IfNoneMatchNames compares weakly and takes lists", "[registry]") {
  const std::string tag = "\"abc\"";
  CHECK(IfNoneMatchNames("\"abc\"", tag));
  CHECK(IfNoneMatchNames("W/\"abc\"", tag));
  CHECK(IfNoneMatchNames("\"x\", \"abc\"", tag));
  CHECK(IfNoneMatchNames(" * ", tag));
  CHECK_FALSE(IfNoneMatchNames("", tag));
  CHECK_FALSE(IfNoneMatchNames("abc", tag));
  CHECK_FALSE(IfNoneMatchNames("\"abc\"x", tag));
}

TEST_CASE("IfRangeAllows compares strongly", "[registry]") {
  const std::string tag = "\"abc\"";
  CHECK(IfRangeAllows("", tag));
  CHECK(IfRangeAllows("\"abc\"", tag));
  CHECK_FALSE(IfRangeAllows("W/\"abc\"", tag));
  CHECK_FALSE(IfRangeAllows("Sun, 06 Nov 1994 08:49:37 GMT", tag));
}

}  // namespace
}  // namespace stowage
