#include "base/mount_info.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("ParseMountInfo reads devices, places, types and options", "[base][mount_info]") {
  const auto mounts = ParseMountInfo(
      "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "36 22 0:30 / /run/stowage/fs ro,nosuid shared:1 - fuse.stowage stowage ro,user_id=0\n"
      "40 22 0:31 /7 /mnt/a\\040b\\134 rw master:1 propagate_from:2 - overlay overlay "
      "rw,lowerdir=/a:/b\n"
      "broken line\n"
      "41 22 0:31 /7 /mnt rw - short\n");
  REQUIRE(mounts.size() == 3);
  CHECK(mounts[0].id == 22);
  CHECK(mounts[0].device == "254:0");
  CHECK(mounts[0].source == "/dev/vda");
  CHECK(mounts[1].mountpoint == "/run/stowage/fs");
  CHECK(mounts[1].file_system_type == "fuse.stowage");
  CHECK(mounts[2].root == "/7");
  CHECK(mounts[2].mountpoint == "/mnt/a b\\");
  CHECK(mounts[2].super_options == "rw,lowerdir=/a:/b");
}

TEST_CASE("IsMountedAs asks the uppermost mount and takes subtypes", "[base][mount_info]") {
  const auto mounts = ParseMountInfo(
      "1 0 0:1 / /m rw - fuse s rw\n2 1 0:2 / /m rw - tmpfs t rw\n"
      "3 1 0:3 / /n rw - fuse.stowage s rw\n4 1 0:4 / /o rw - fuseblk s rw\n");
  CHECK_FALSE(IsMountedAs(mounts, "/m", "fuse"));
  CHECK(IsMountedAs(mounts, "/n", "fuse"));
  CHECK_FALSE(IsMountedAs(mounts, "/o", "fuse"));
  CHECK_FALSE(IsMountedAs(mounts, "/", "fuse"));
}

}  // namespace
}  // namespace stowage
