#include "plugin/images/fuse_views.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

MountInfo Overlay(const std::string& lowers) {
  return {"0:60",    "/",       "/c",
          "overlay", "overlay", absl::StrCat("rw,lowerdir=", lowers, ",upperdir=/u/12")};
}

TEST_CASE("ShowsView finds a view in every form of a mount", "[plugin][fuse_views]") {
  FuseViewsOptions options;
  options.state_directory = "/state";
  options.mountpoint = "/run/fs";
  const auto shows = [&](const MountInfo& mount) { return ShowsView(mount, options, 12); };
  CHECK(shows(Overlay("/p:/run/fs/12")));
  CHECK(shows(Overlay("p:fs/12")));  // as containerd shortens it
  CHECK(
      shows(Overlay("/state/idmapped/0123456789abcdef/profiles/x:"
                    "/state/idmapped/0123456789abcdef/fuse/12")));
  CHECK(shows(Overlay("profiles/x:fuse/12")));
  CHECK(shows({"0:53", "/12", "/view", "fuse.stowage", "stowage", "ro"}));

  CHECK_FALSE(shows(Overlay("/p:/run/fs/112")));
  CHECK_FALSE(shows(Overlay("/p:/run/fs2/12")));
  CHECK_FALSE(shows(Overlay("/other/idmapped/0123456789abcdef/fuse/12")));
  CHECK_FALSE(shows(Overlay("/state/idmapped/0123456789abcdef/snapshots/12")));
  CHECK_FALSE(shows({"0:53", "/", "/state/idmapped/a/fuse", "fuse.stowage", "stowage", "ro"}));
  CHECK_FALSE(shows({"8:1", "/12", "/view", "ext4", "/dev/sda1", "rw"}));
}

}  // namespace
}  // namespace stowage
