#include "plugin/overlay_redirect/lower_mount.h"

#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

MountInfo Entry(const std::string& device, const std::string& root, const std::string& place) {
  MountInfo mount;
  mount.device = device;
  mount.root = root;
  mount.mountpoint = place;
  return mount;
}

TEST_CASE("PlanLowerMount finds the mounts that show both directories, the narrowest first",
          "[plugin][lower_mount]") {
  const std::vector<MountInfo> mounts = {
      Entry("8:1", "/", "/"),    Entry("8:1", "/srv", "/mnt/srv"), Entry("8:1", "/srv/n", "/nix"),
      Entry("8:2", "/", "/var"), Entry("8:1", "/srvX", "/other"),
  };
  const auto plans = PlanLowerMount(mounts, {"8:1", "/srv/state"}, {"8:1", "/srv/n"});
  REQUIRE_OK(plans);
  REQUIRE(plans->size() == 2);
  CHECK((*plans)[0].source.mountpoint == "/mnt/srv");
  CHECK((*plans)[0].state_path == "/state");
  CHECK((*plans)[0].store_parent_path == "/n");
  CHECK((*plans)[1].source.mountpoint == "/");
  CHECK((*plans)[1].state_path == "/srv/state");
}

TEST_CASE("PlanLowerMount says why there is no such mount", "[plugin][lower_mount]") {
  const std::vector<MountInfo> mounts = {Entry("8:1", "/a", "/a"), Entry("8:1", "/b", "/nix")};
  const auto [state, store, want] = GENERATE(table<FileSystemPlace, FileSystemPlace, std::string>({
      {{"8:2", "/"}, {"8:1", "/nix"}, "different file systems"},
      {{"8:1", "/nix/state"}, {"8:1", "/nix"}, "lie in each other"},
      {{"8:1", "/"}, {"8:1", "/nix"}, "lie in each other"},
      {{"8:1", "/nix"}, {"8:1", "/nix"}, "lie in each other"},
      {{"8:1", "/a/state"}, {"8:1", "/b"}, "no mount shows both"},
  }));
  const auto plans = PlanLowerMount(mounts, state, store);
  CHECK(absl::IsFailedPrecondition(plans.status()));
  CHECK(absl::StrContains(plans.status().message(), want));
}

}  // namespace
}  // namespace stowage
