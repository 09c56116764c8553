#include "plugin/cli/human_units.h"

#include <limits>

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("HumanBytes uses powers of 1024 and never prints 1024.0", "[cli][human_units]") {
  const auto [bytes, want] = GENERATE(table<uint64_t, std::string>({
      {0, "0 B"},
      {1023, "1023 B"},
      {1024, "1.0 KiB"},
      {1536, "1.5 KiB"},
      {1024 * 1024 - 1, "1.0 MiB"},
      {45298483, "43.2 MiB"},
      {uint64_t{3} << 30, "3.0 GiB"},
      {std::numeric_limits<uint64_t>::max(), "16.0 EiB"},
  }));
  CHECK(HumanBytes(bytes) == want);
}

TEST_CASE("HumanDuration grows its unit", "[cli][human_units]") {
  const auto [seconds, want] = GENERATE(table<double, std::string>({
      {-1, "0s"},
      {0.9, "0s"},
      {59.9, "59s"},
      {60, "1m 00s"},
      {65, "1m 05s"},
      {3599, "59m 59s"},
      {7380, "2h 03m"},
  }));
  CHECK(HumanDuration(absl::Seconds(seconds)) == want);
}

}  // namespace
}  // namespace stowage
