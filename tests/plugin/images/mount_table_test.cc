#include "plugin/images/mount_table.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("ParseMountInfo reads mount points, types and options", "[plugin][mount_table]") {
  const auto mounts = ParseMountInfo(
      "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "36 22 0:30 / /run/stowage/fs ro,nosuid shared:1 - fuse stowage ro,user_id=0\n"
      "40 22 0:31 /7 /mnt/a\\040b\\134 rw master:1 propagate_from:2 - overlay overlay "
      "rw,lowerdir=/a:/b\n"
      "broken line\n");
  REQUIRE(mounts.size() == 3);
  CHECK(mounts[1].mountpoint == "/run/stowage/fs");
  CHECK(mounts[1].file_system == "fuse");
  CHECK(mounts[2].root == "/7");
  CHECK(mounts[2].mountpoint == "/mnt/a b\\");
  CHECK(mounts[2].super_options == "rw,lowerdir=/a:/b");
}

TEST_CASE("IsMountedAs asks the uppermost mount", "[plugin][mount_table]") {
  const auto mounts = ParseMountInfo(
      "1 0 0:1 / /m rw - fuse s rw\n2 1 0:2 / /m rw - tmpfs t rw\n3 1 0:3 / /n rw - fuse s rw\n");
  CHECK_FALSE(IsMountedAs(mounts, "/m", "fuse"));
  CHECK(IsMountedAs(mounts, "/n", "fuse"));
  CHECK_FALSE(IsMountedAs(mounts, "/", "fuse"));
}

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
