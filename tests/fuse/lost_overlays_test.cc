#include "fuse/lost_overlays.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("OverlaysOn finds the overlays with a lower directory on the mount", "[fuse]") {
  const std::vector<MountInfo> mounts = ParseMountInfo(
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "2 1 0:53 / /run/stowage/fs ro - fuse.stowage stowage ro,lowerdir=/run/stowage/fs/1\n"
      "3 1 0:60 / /c/one rw - overlay overlay rw,lowerdir=/p:/run/stowage/fs/12,upperdir=/u\n"
      "4 1 0:61 / /c/two rw - overlay overlay rw,lowerdir+=/run/stowage/fs/3,lowerdir+=/p\n"
      "5 1 0:62 / /c/other rw - overlay overlay rw,lowerdir=/run/stowage/fs2/1,upperdir=/u\n"
      "6 1 0:63 / /c/upper rw - overlay overlay rw,lowerdir=/p,upperdir=/run/stowage/fs/1\n"
      "7 1 0:53 / /state/idmapped/a/fuse ro,idmapped - fuse.stowage stowage ro\n"
      "8 1 0:54 / /state/idmapped/b/fuse ro,idmapped - fuse.stowage stowage ro\n"
      "9 1 0:64 / /c/mapped rw - overlay overlay rw,lowerdir=/state/idmapped/a/fuse/7,upperdir=/u\n"
      "10 1 0:65 / /c/b rw - overlay overlay rw,lowerdir=/state/idmapped/b/fuse/7,upperdir=/u\n");
  REQUIRE(mounts.size() == 10);
  CHECK(OverlaysOn(mounts, "/run/stowage/fs", "0:53") ==
        std::vector<std::string>{"/c/one", "/c/two", "/c/mapped"});
  CHECK(OverlaysOn(mounts, "/run/stowage", "0:99").size() == 3);
  CHECK(OverlaysOn({}, "/run/stowage/fs", "0:53").empty());
}

}  // namespace
}  // namespace stowage
