#include "plugin/overlay_redirect/node_layers.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("MakeSecretName makes another name at every call", "[plugin][node_layers]") {
  const auto first = MakeSecretName();
  REQUIRE_OK(first);
  CHECK(IsSecretName(*first));
  CHECK(first->size() == 3 + 32);
  CHECK(MakeSecretName().value() != *first);
}

TEST_CASE("IsSecretName takes nothing that could leave its directory", "[plugin][node_layers]") {
  const char* name = GENERATE(
      "", ".x-", ".x-0123456789abcdef0123456789abcde", ".x-0123456789abcdef0123456789abcdef0",
      ".x-0123456789abcdef/0123456789abcde", "0123456789abcdef0123456789abcdef");
  CHECK_FALSE(IsSecretName(name));
  CHECK(IsSecretName(".x-0123456789abcdef0123456789abcdef"));
}

}  // namespace
}  // namespace stowage
