#include "plugin/config/rootless_defaults.h"

#include "absl/strings/match.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const RootlessPaths kPaths = {"/c/stowage/config.toml", "/d/stowage", "/r/stowage",
                              "/real/stowage"};

TEST_CASE("RootlessDefaults are below the user's directories", "[plugin][config]") {
  const Config config = RootlessDefaults(kPaths, "alice");
  CHECK(config.state_directory == "/d/stowage");
  CHECK(config.control_socket == "/r/stowage/control.sock");
  CHECK(config.snapshotter_socket == "/r/stowage/snapshotter.sock");
  CHECK(config.fuse_mountpoint == "/real/stowage/fs");
  CHECK(config.overlay_directory == "/real/stowage/overlay");
  CHECK(config.gc_roots_directory == "/nix/var/nix/gcroots/per-user/alice/stowage");
}

TEST_CASE("A configuration counts more than RootlessDefaults", "[plugin][config]") {
  const auto config =
      ParseConfig("[paths]\nstate = \"/elsewhere\"\n[source]\nlocation = \"/set\"\n", "test.toml",
                  RootlessDefaults(kPaths, "alice"));
  REQUIRE_OK(config);
  CHECK(config->state_directory == "/elsewhere");
  CHECK(config->nix.work_directory == "/elsewhere/cache/nix");
  CHECK(config->fuse_mountpoint == "/real/stowage/fs");
}

TEST_CASE("CheckGcRootsDirectory says how root can make the directory", "[plugin][config]") {
  const testing::TemporaryDirectory directory;
  CHECK(CheckGcRootsDirectory(directory.Join("a/b"), "alice").ok());
  REQUIRE_OK(WriteFileAtomically(directory.Join("file"), ""));
  const absl::Status refused = CheckGcRootsDirectory(directory.Join("file/x"), "alice");
  CHECK(absl::IsFailedPrecondition(refused));
  CAPTURE(refused.message());
  CHECK(
      absl::StrContains(refused.message(), "sudo install -d -o alice " + directory.Join("file/x")));
}

}  // namespace
}  // namespace stowage
