#include "fuse/mount_table.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("ParseMountTable reads the fields around the optional ones", "[fuse][mount_table]") {
  const auto mounts = ParseMountTable(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=x\n"
      "65 27 0:41 / /run/stowage/fs ro,nosuid - fuse.stowage stowage ro,user_id=0\n"
      "\n"
      "not a mount\n"
      "70 27 0:42 / /a\\040b\\134c\\0 rw shared:7 - tmpfs none rw\n");
  REQUIRE(mounts.size() == 3);
  CHECK(mounts[0].device == "98:0");
  CHECK(mounts[0].mount_point == "/mnt2");
  CHECK(mounts[0].file_system_type == "ext3");
  CHECK(mounts[0].source == "/dev/root");
  CHECK(mounts[1].device == "0:41");
  CHECK(mounts[1].file_system_type == "fuse.stowage");
  CHECK(mounts[1].source == "stowage");
  CHECK(mounts[2].mount_point == "/a b\\c\\0");
}

}  // namespace
}  // namespace stowage
