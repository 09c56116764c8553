#include "plugin/images/mount_table.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("MountTable reads this process's mounts", "[plugin][mount_table]") {
  auto table = MountTable::Open();
  REQUIRE_OK(table);
  const auto entries = table->Entries();
  REQUIRE_OK(entries);
  CHECK(entries->size() > 1);
  CHECK(table->IsMountedAs("/proc", "proc").value());
}

}  // namespace
}  // namespace stowage
