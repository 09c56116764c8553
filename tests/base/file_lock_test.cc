#include "base/file_lock.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("LockFile is taken once, until its holder goes", "[base][file_lock]") {
  const testing::TemporaryDirectory directory;
  {
    const auto first = LockFile(directory.Join("lock"));
    REQUIRE_OK(first);
    CHECK(absl::IsFailedPrecondition(LockFile(directory.Join("lock")).status()));
  }
  CHECK(LockFile(directory.Join("lock")).ok());
  CHECK(absl::IsNotFound(LockFile(directory.Join("none/lock")).status()));
}

}  // namespace
}  // namespace stowage
