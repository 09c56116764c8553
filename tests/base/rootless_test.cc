#include "base/rootless.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("FindRootlessPaths falls back to the home directory", "[base][rootless]") {
  const testing::TemporaryDirectory directory;
  const auto paths = FindRootlessPaths({"/home/u", "", "relative", directory.path()});
  REQUIRE_OK(paths);
  CHECK(paths->config_file == "/home/u/.config/stowage/config.toml");
  CHECK(paths->state_directory == "/home/u/.local/share/stowage");
}

TEST_CASE("FindRootlessPaths resolves links of the runtime directory for mounts, not for sockets",
          "[base][rootless]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("real")));
  REQUIRE(::symlink("real", directory.Join("link").c_str()) == 0);
  const auto real = FindRootlessPaths({"", "/c", "/d", directory.Join("real")});
  const auto linked = FindRootlessPaths({"", "/c", "/d", directory.Join("link")});
  REQUIRE_OK(real);
  REQUIRE_OK(linked);
  CHECK(linked->runtime_directory == directory.Join("link/stowage"));
  CHECK(linked->mount_directory == real->mount_directory);
  CHECK(absl::EndsWith(linked->mount_directory, "/real/stowage"));
  CHECK(linked->config_file == "/c/stowage/config.toml");
  CHECK(linked->state_directory == "/d/stowage");
}

TEST_CASE("FindRootlessPaths names what is missing or cannot be used", "[base][rootless]") {
  const testing::TemporaryDirectory directory;
  const std::string& there = directory.path();
  struct {
    UserVariables variables;
    std::string want;
  } const cases[] = {
      {{"", "/c", "", there}, "neither HOME nor XDG_DATA_HOME"},
      {{"", "", "/d", there}, "neither HOME nor XDG_CONFIG_HOME"},
      {{"/home/u", "", "", ""}, "export XDG_RUNTIME_DIR"},
      {{"/home/u", "", "", "run"}, "export XDG_RUNTIME_DIR"},
      {{"/home/u", "", "", directory.Join("none")}, "No such file"},
      {{"/home/a:b", "", "", there}, "/home/a:b/.local/share/stowage has a ':'"},
  };
  for (const auto& [variables, want] : cases) {
    const absl::Status status = FindRootlessPaths(variables).status();
    CAPTURE(status.message(), want);
    CHECK(absl::IsFailedPrecondition(status));
    CHECK(absl::StrContains(status.message(), want));
  }
}

}  // namespace
}  // namespace stowage
