#include "fuse/keeper_watch.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "fuse/saved_session.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("under a service manager a worker without a keeper waits for that one's first",
          "[fuse][keeper_watch]") {
  const auto session = SavedSession::Create("/mnt", "0:53", "request", {});
  REQUIRE_OK(session);
  ServerOptions options;
  options.notify_socket = "/run/systemd/notify";
  const ServerDescriptors descriptors;
  std::string said;  // starting one, it would complain about these descriptors
  const LogFunction log = [&said](LogLevel, absl::string_view event) {
    absl::StrAppend(&said, event);
  };
  KeeperWatch watch(options, descriptors, session->fd(), log);
  watch.Update();
  CHECK(watch.fd() == -1);
  CHECK(said == "");
  CHECK(watch.patience() < absl::Seconds(1));  // it looks again
}

}  // namespace
}  // namespace stowage
