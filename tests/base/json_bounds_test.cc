#include "base/json_bounds.h"

#include <string>

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("CheckJsonBounds counts levels and values outside strings", "[base][json_bounds]") {
  REQUIRE_OK(CheckJsonBounds(R"({"a":[1,2],"b":{}})", 2, 6));
  CHECK(absl::IsInvalidArgument(CheckJsonBounds(R"({"a":[1,2],"b":{}})", 1, 6)));
  CHECK(absl::IsInvalidArgument(CheckJsonBounds(R"({"a":[1,2],"b":{}})", 2, 5)));
  REQUIRE_OK(CheckJsonBounds(R"(["[[[[,,,,", "\"[[[[", "\\"])", 1, 4));
  CHECK(absl::IsInvalidArgument(CheckJsonBounds(R"(["\\",[[]]])", 2, 9)));
  REQUIRE_OK(CheckJsonBounds("[],[],[]", 1, 6));
}

TEST_CASE("CheckJsonBounds takes whatever is no JSON", "[base][json_bounds]") {
  for (const char* text : {"", "]]]", "\"", "\"\\", "}{", "x"})
    REQUIRE_OK(CheckJsonBounds(text, 1, 2));
}

TEST_CASE("CheckJsonBounds refuses long texts of brackets", "[base][json_bounds]") {
  CHECK(absl::IsInvalidArgument(CheckJsonBounds(std::string(1 << 24, '['), 8, 1 << 20)));
  std::string wide = "[";
  while (wide.size() < 1 << 22) wide += "[],";
  CHECK(absl::StrContains(CheckJsonBounds(wide, 8, 1 << 20).message(), "values"));
}

}  // namespace
}  // namespace stowage
