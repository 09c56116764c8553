#include "plugin/snapshots/peer_mounts.h"

#include <unistd.h>

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("UsesDirectory looks at sources and lower directories", "[plugin][peer_mounts]") {
  const auto uses = [](const Mount& mount) { return UsesDirectory({mount}, "/run/fs"); };
  CHECK(uses({"overlay", "overlay", {"index=off", "lowerdir=/profile:/run/fs/7", "upperdir=/u"}}));
  CHECK(uses({"bind", "/run/fs/7", {"ro", "rbind"}}));
  CHECK_FALSE(uses({"overlay", "overlay", {"lowerdir=/a:/run/fsx/7", "workdir=/run/f"}}));
  CHECK_FALSE(uses({"bind", "/state/snapshots/1/fs", {"rw", "rbind"}}));
}

TEST_CASE("CheckPeerSees passes a process of this mount namespace and one that is gone",
          "[plugin][peer_mounts]") {
  CHECK(CheckPeerSees(::getpid(), "/nothing/mounted/here").ok());
  CHECK(CheckPeerSees(1 << 30, "/nothing/mounted/here").ok());
}

}  // namespace
}  // namespace stowage
