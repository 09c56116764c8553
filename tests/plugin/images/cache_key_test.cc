#include "plugin/images/cache_key.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

CacheKeyParts Parts() {
  return {"x86_64-linux", "git u", "rev", {"git", "htop"}, {"cacert"}, "plan 1", "git/htop"};
}

TEST_CASE("ImageCacheKey depends on every part", "[plugin][cache_key]") {
  const Digest key = ImageCacheKey(Parts());
  CHECK(ImageCacheKey(Parts()) == key);
  CacheKeyParts parts = Parts();
  SECTION("system") { parts.system = "aarch64-linux"; }
  SECTION("source") { parts.source = "git v"; }
  SECTION("revision") { parts.revision = "other"; }
  SECTION("packages") { parts.packages = {"git"}; }
  SECTION("always") { parts.always.clear(); }
  SECTION("plan") { parts.plan_identity = "plan 2"; }
  SECTION("name") { parts.name = "git"; }
  CHECK(ImageCacheKey(parts) != key);
}

TEST_CASE("ImageCacheKey keeps differently cut lists apart", "[plugin][cache_key]") {
  CacheKeyParts a = Parts(), b = Parts();
  SECTION("inside one list") {
    a.packages = {"a", "bc"};
    b.packages = {"ab", "c"};
  }
  SECTION("between two lists") {
    a.packages = {"a", "b"};
    a.always = {};
    b.packages = {"a"};
    b.always = {"b"};
  }
  SECTION("between two texts") {
    a.system = "x", a.source = "yz";
    b.system = "xy", b.source = "z";
  }
  CHECK(ImageCacheKey(a) != ImageCacheKey(b));
}

}  // namespace
}  // namespace stowage
