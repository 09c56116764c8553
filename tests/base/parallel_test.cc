#include "base/parallel.h"

#include <atomic>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("ParallelFor calls every index once", "[base][parallel]") {
  const size_t workers = GENERATE(0, 1, 2, 7);
  std::vector<std::atomic<int>> calls(100);
  REQUIRE_OK(ParallelFor(calls.size(), workers, [&](size_t index) {
    ++calls[index];
    return absl::OkStatus();
  }));
  for (const auto& count : calls) CHECK(count == 1);
}

TEST_CASE("ParallelFor stops at the first error and returns it", "[base][parallel]") {
  std::atomic<size_t> calls = 0;
  const absl::Status status = ParallelFor(1000, 1, [&](size_t index) {
    ++calls;
    return index == 10 ? absl::DataLossError("ten") : absl::OkStatus();
  });
  CHECK(status == absl::DataLossError("ten"));
  CHECK(calls == 11);
}

}  // namespace
}  // namespace stowage
