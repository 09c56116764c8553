#include "plugin/setup/stowage_settings.h"

#include "base/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("EndpointOf is what this machine can name", "[setup][stowage_settings]") {
  CHECK(EndpointOf("127.0.0.1:5080") == "http://127.0.0.1:5080");
  CHECK(EndpointOf("0.0.0.0:80") == "http://127.0.0.1:80");
  CHECK(EndpointOf("10.0.0.1:80") == "http://10.0.0.1:80");
  CHECK(EndpointOf("").empty());
  CHECK(EndpointOf("127.0.0.1:0").empty());
}

TEST_CASE("Without a file stowaged's settings are the defaults", "[setup][stowage_settings]") {
  const testing::TemporaryDirectory directory;
  const auto settings = ReadStowageSettings(directory.Join("none.toml"));
  REQUIRE_OK(settings);
  CHECK_FALSE(settings->found);
  CHECK(settings->endpoint == "http://127.0.0.1:5080");
  REQUIRE_OK(WriteFileAtomically(directory.Join("bad.toml"), "x = 1"));
  CHECK(absl::IsInvalidArgument(ReadStowageSettings(directory.Join("bad.toml")).status()));
}

}  // namespace
}  // namespace stowage
