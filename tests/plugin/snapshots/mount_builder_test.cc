#include "plugin/snapshots/mount_builder.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using Options = std::vector<std::string>;
constexpr OverlayFeatures kIndexOff = {.index_off = true, .user_xattr = false};

std::vector<std::string> Lowers(int count, const std::string& prefix) {
  std::vector<std::string> lowers;
  for (int i = 0; i < count; ++i) lowers.push_back(absl::StrCat(prefix, 1000 + i, "/fs"));
  return lowers;
}

TEST_CASE("BuildMounts has the forms of containerd's overlayfs snapshotter",
          "[plugin][mount_builder]") {
  using Kind = SnapshotKind;
  const auto [kind, lowers, want] = GENERATE(table<Kind, std::vector<std::string>, Mount>({
      {Kind::kActive, {}, {"bind", "/s/7/fs", {"rw", "rbind"}}},
      {Kind::kView, {}, {"bind", "/s/7/fs", {"ro", "rbind"}}},
      {Kind::kView, {"/s/1/fs"}, {"bind", "/s/1/fs", {"ro", "rbind"}}},
      {Kind::kView,
       {"/s/2/fs", "/s/1/fs"},
       {"overlay", "overlay", {"index=off", "lowerdir=/s/2/fs:/s/1/fs"}}},
      {Kind::kActive,
       {"/s/1/fs"},
       {"overlay",
        "overlay",
        {"index=off", "workdir=/s/7/work", "upperdir=/s/7/fs", "lowerdir=/s/1/fs"}}},
      {Kind::kActive,
       {"/s/2/fs", "/run/fs/3"},
       {"overlay",
        "overlay",
        {"index=off", "workdir=/s/7/work", "upperdir=/s/7/fs", "lowerdir=/s/2/fs:/run/fs/3"}}},
  }));
  const auto mounts = BuildMounts({kind, "/s/7/fs", "/s/7/work", lowers}, kIndexOff);
  REQUIRE_OK(mounts);
  REQUIRE(mounts->size() == 1);
  CHECK(mounts->front().type == want.type);
  CHECK(mounts->front().source == want.source);
  CHECK(mounts->front().options == want.options);
}

TEST_CASE("BuildMounts adds what the kernel and the user namespace call for",
          "[plugin][mount_builder]") {
  const auto [features, want] = GENERATE(table<OverlayFeatures, Options>({
      {{.index_off = false, .user_xattr = false}, {"lowerdir=/b:/a"}},
      {{.index_off = true, .user_xattr = true}, {"index=off", "userxattr", "lowerdir=/b:/a"}},
  }));
  const auto mounts = BuildMounts({SnapshotKind::kView, "", "", {"/b", "/a"}}, features);
  REQUIRE_OK(mounts);
  CHECK(mounts->front().options == want);
}

TEST_CASE("BuildMounts follows redirects only where it is said", "[plugin][mount_builder]") {
  const auto mounts =
      BuildMounts({SnapshotKind::kActive, "/u", "/w", {"/c", "/s", "/m", "/nix"}, true}, kIndexOff);
  REQUIRE_OK(mounts);
  CHECK(mounts->front().options == Options{"index=off", "redirect_dir=follow", "workdir=/w",
                                           "upperdir=/u", "lowerdir=/c:/s:/m:/nix"});
}

TEST_CASE("BuildMounts counts in what containerd saves by relative lowers",
          "[plugin][mount_builder]") {
  // 128 * 44 bytes do not fit, 128 * 7 do.
  CHECK(BuildMounts({SnapshotKind::kActive, "/s/7/fs", "/s/7/work",
                     Lowers(128, "/var/lib/stowage/snapshots/for/tests/")},
                    kIndexOff)
            .ok());
}

TEST_CASE("BuildMounts refuses options that mount(2) would cut", "[plugin][mount_builder]") {
  const auto lowers = GENERATE(
      // relative names are still too long: 500 * 8 bytes and the rest
      Lowers(500, "/var/lib/stowage/snapshots/1"),
      // no common directory but "/"
      [] {
        Options mixed = Lowers(128, "/var/lib/stowage/snapshots/");
        mixed.push_back("/run/stowage/fs/1");
        return mixed;
      }(),
      // one long lower is never shortened
      Options{"/" + std::string(4090, 'x')},
      // more than overlayfs stacks
      Lowers(501, "/s/"));
  const auto mounts =
      BuildMounts({SnapshotKind::kActive, "/s/7/fs", "/s/7/work", lowers}, kIndexOff);
  CHECK(absl::IsResourceExhausted(mounts.status()));
  CHECK(absl::StrContains(mounts.status().message(), "fewer layers"));
}

TEST_CASE("BuildMounts takes exactly what mount(2) takes", "[plugin][mount_builder]") {
  // "lowerdir=" + path + ":/a"; the common directory is "/", so nothing is shortened.
  const size_t path_bytes = 4095 - std::string("lowerdir=:/a").size();
  const OverlayFeatures none;
  const auto build = [&](size_t bytes) {
    return BuildMounts({SnapshotKind::kView, "", "", {"/" + std::string(bytes - 1, 'x'), "/a"}},
                       none);
  };
  CHECK(build(path_bytes).ok());
  CHECK(absl::IsResourceExhausted(build(path_bytes + 1).status()));
}

}  // namespace
}  // namespace stowage
