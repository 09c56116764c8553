#include "plugin/setup/containerd_version.h"

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("ContainerdVersion reads what daemons and packages call themselves",
          "[setup][containerd_version]") {
  auto [text, want] = GENERATE(table<std::string, std::string>({{"1.6.20~ds1", "1.6.20"},
                                                                {"v2.1.9+unknown", "2.1.9"},
                                                                {"2.0.0-rc.1", "2.0.0"},
                                                                {"1.7.24", "1.7.24"}}));
  const auto version = ContainerdVersion::Parse(text);
  REQUIRE_OK(version);
  CHECK(version->ToString() == want);
}

TEST_CASE("ContainerdVersion refuses what is no version", "[setup][containerd_version]") {
  const std::string text =
      GENERATE(std::string(), "v", "1.6", "latest", "1..2", "1.2.99999999999999999999");
  CHECK(ContainerdVersion::Parse(text).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("ContainerdVersion knows since when a thing is", "[setup][containerd_version]") {
  CHECK_FALSE(ContainerdVersion{1, 5, 9}.Supported());
  CHECK_FALSE(ContainerdVersion{1, 7, 15}.HasExports());
  CHECK(ContainerdVersion{1, 7, 16}.HasExports());
  CHECK(ContainerdVersion{1, 7, 24}.ConfigVersion() == 2);
  CHECK(ContainerdVersion{2, 0, 0}.ConfigVersion() == 3);
  CHECK_FALSE(ContainerdVersion{2, 0, 5}.CriPullsByTransfer());
  CHECK(ContainerdVersion{2, 1, 0}.CriPullsByTransfer());
}

TEST_CASE("FindContainerdVersion names both attempts", "[setup][containerd_version]") {
  const auto version = FindContainerdVersion("/nonexistent.sock", "/nonexistent/containerd");
  CHECK(version.status().code() == absl::StatusCode::kUnavailable);
  CHECK(absl::StrContains(version.status().message(), "/nonexistent.sock"));
  CHECK(absl::StrContains(version.status().message(), "/nonexistent/containerd"));
}

}  // namespace
}  // namespace stowage
