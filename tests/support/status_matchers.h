#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/catch.h"

namespace stowage::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

}  // namespace stowage::testing

// Requires a Status or StatusOr to be OK and shows its message otherwise.
#define REQUIRE_OK(expression)                                          \
  do {                                                                  \
    const auto& stowage_test_result = (expression);                     \
    INFO(::stowage::testing::StatusOf(stowage_test_result).ToString()); \
    REQUIRE(stowage_test_result.ok());                                  \
  } while (false)
