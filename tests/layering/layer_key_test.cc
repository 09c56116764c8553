#include "layering/layer_key.h"

#include <string>
#include <vector>

#include "base/sha256.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("LayerKey hashes the documented text", "[layering][layer_key]") {
  CHECK(LayerKey(Names{}) == Sha256("stowage-layer 1\n"));
  CHECK(LayerKey(Names{"b-bash", "a-glibc-2.36"}) ==
        Sha256("stowage-layer 1\n12:a-glibc-2.36\n6:b-bash\n"));
}

TEST_CASE("LayerKey has not changed", "[layering][layer_key]") {
  CHECK(LayerKey(Names{"00000000000000000000000000000000-glibc-2.36",
                       "11111111111111111111111111111111-bash-5.2"})
            .hex() == "5ff5bbb97a68ee1abcc1e91467ca2938d79817f05eea13297ebb856de678bb37");
}

TEST_CASE("LayerKey does not depend on the order of names", "[layering][layer_key]") {
  CHECK(LayerKey(Names{"b", "a", "c"}) == LayerKey(Names{"c", "b", "a"}));
}

TEST_CASE("LayerKey keeps lists apart that join to the same text", "[layering][layer_key]") {
  CHECK(LayerKey(Names{"a", "bc"}) != LayerKey(Names{"ab", "c"}));
  CHECK(LayerKey(Names{"a\n1:b"}) != LayerKey(Names{"a", "b"}));
  CHECK(LayerKey(Names{"a", "b"}) != LayerKey(Names{"ab"}));
  CHECK(LayerKey(Names{"a"}) != LayerKey(Names{"a", ""}));
}

}  // namespace
}  // namespace stowage
