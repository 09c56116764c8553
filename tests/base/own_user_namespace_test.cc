#include "base/own_user_namespace.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("IsUserNamespaceMap knows the initial namespace by its full identity map",
          "[base][own_user_namespace]") {
  const auto [text, want] = GENERATE(table<const char*, bool>({
      {"         0          0 4294967295\n", false},
      {"0 0 4294967295", false},
      {"         0       1000          1\n", true},
      {"0 0 65536\n", true},
      {"0 100000 4294967295\n", true},
      {"0 0 1000\n1000 1000 4294966295\n", true},
      {"", true},
      {"x y z", true},
  }));
  CAPTURE(text);
  CHECK(IsUserNamespaceMap(text) == want);
}

}  // namespace
}  // namespace stowage
