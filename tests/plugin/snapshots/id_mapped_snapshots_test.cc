// Snapshots for user namespaces, with idmapped mounts for real: needs root, and exits 77 without.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/mount_info.h"
#include "plugin/snapshots/id_mapped_clone.h"
#include "plugin/snapshots/id_mapped_mounts.h"
#include "tests/plugin/snapshots/snapshotter_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

constexpr uint32_t kRoot = 100000;
constexpr uint32_t kOtherRoot = 300000;

SnapshotLabels LabelsFor(uint32_t root) {
  const std::string range = absl::StrCat("0:", root, ":65536");
  return {{kUidMappingLabel, range}, {kGidMappingLabel, range}};
}

IdMapping MappingFor(uint32_t root) {
  const std::string range = absl::StrCat("0:", root, ":65536");
  return {range, range, root, root};
}

struct stat StatOf(const std::string& path) {
  struct stat status = {};
  INFO(path);
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

// The value of an overlay's option.
std::string OptionOf(const absl::StatusOr<std::vector<Mount>>& mounts, const std::string& name) {
  REQUIRE_OK(mounts);
  REQUIRE(mounts->size() == 1);
  for (const std::string& option : mounts->front().options)
    if (absl::StartsWith(option, name + "=")) return option.substr(name.size() + 1);
  FAIL("no option " << name);
  return "";
}

// In a mount namespace of its own, so that nothing is left whatever happens.
class IdMappedFixture : public testing::SnapshotterFixture {
 public:
  IdMappedFixture() {
    static const bool usable = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
                               ::mount("", "/", nullptr, MS_PRIVATE | MS_REC, nullptr) == 0;
    if (!usable) std::_Exit(77);
    CommitLayer("base", "");
    const std::string file = absl::StrCat(snapshots_path(), "/1/fs/file");
    REQUIRE_OK(WriteFileAtomically(file, "text"));
    REQUIRE(::chown(file.c_str(), 7, 8) == 0);
  }
  ~IdMappedFixture() {
    Execute("DELETE FROM snapshots");
    Reopen();
    CHECK(MountsBelow(idmapped_path()) == 0);
  }

  std::string idmapped_path() const { return path() + "/idmapped"; }

  static size_t MountsBelow(const std::string& directory) {
    const auto text = ReadFile("/proc/self/mountinfo");
    REQUIRE_OK(text);
    size_t count = 0;
    for (const MountInfo& mount : ParseMountInfo(*text))
      count += absl::StartsWith(mount.mountpoint, directory + "/");
    return count;
  }

  size_t MappingsLeft() {
    const auto names = ListDirectory(idmapped_path());
    REQUIRE_OK(names);
    return names->size();
  }
};

TEST_CASE_METHOD(IdMappedFixture, "A container's lower directories have its ids", "[id_mapped]") {
  const auto mounts = snapshotter().Prepare("c", "base", LabelsFor(kRoot));
  const std::string lower = OptionOf(mounts, "lowerdir");
  CHECK(absl::StartsWith(lower, idmapped_path()));
  CHECK(StatOf(lower).st_uid == kRoot);
  CHECK(StatOf(lower + "/file").st_uid == kRoot + 7);
  CHECK(StatOf(lower + "/file").st_gid == kRoot + 8);
  CHECK(::access((lower + "/file").c_str(), W_OK) != 0);  // read-only, even for root
  const struct stat upper = StatOf(OptionOf(mounts, "upperdir"));
  CHECK(upper.st_uid == kRoot);
  CHECK(upper.st_gid == kRoot);
  CHECK(*snapshotter().Mounts("c") == *mounts);
  for (const std::string& option : mounts->front().options)
    CHECK_FALSE(absl::StrContains(option, "idmap="));

  const auto view = snapshotter().View("v", "base", LabelsFor(kRoot));
  REQUIRE_OK(view);
  CHECK(view->front().source == lower);
  REQUIRE_OK(snapshotter().Remove("c"));
  CHECK(MountsBelow(idmapped_path()) == 1);
  REQUIRE_OK(snapshotter().Remove("v"));
  CHECK(MountsBelow(idmapped_path()) == 0);
  CHECK(MappingsLeft() == 0);
}

TEST_CASE_METHOD(IdMappedFixture, "Two mappings live side by side", "[id_mapped]") {
  const auto first = snapshotter().Prepare("first", "base", LabelsFor(kRoot));
  const auto second = snapshotter().Prepare("second", "base", LabelsFor(kOtherRoot));
  CHECK(StatOf(OptionOf(first, "lowerdir") + "/file").st_uid == kRoot + 7);
  CHECK(StatOf(OptionOf(second, "lowerdir") + "/file").st_uid == kOtherRoot + 7);
  REQUIRE_OK(snapshotter().Remove("first"));
  CHECK(MappingsLeft() == 1);
  CHECK(StatOf(OptionOf(second, "lowerdir") + "/file").st_uid == kOtherRoot + 7);
  REQUIRE_OK(snapshotter().Commit("done", "second", {}));
  CHECK(MappingsLeft() == 0);
}

TEST_CASE_METHOD(IdMappedFixture, "Mounts survive a restart; those that nobody asks for do not",
                 "[id_mapped]") {
  const std::string lower =
      OptionOf(snapshotter().Prepare("c", "base", LabelsFor(kRoot)), "lowerdir");
  Reopen();
  CHECK(StatOf(lower + "/file").st_uid == kRoot + 7);
  SECTION("killed between the mount and the row, or between the row's end and the unmounting") {
    ReopenAfter([&] { Execute("DELETE FROM snapshots WHERE key = 'c'"); });
    CHECK(MountsBelow(idmapped_path()) == 0);
    CHECK(MappingsLeft() == 0);
  }
  SECTION("lost by a reboot") {
    const std::string place = lower.substr(0, lower.find("/snapshots/") + 10);
    REQUIRE(::umount2(place.c_str(), MNT_DETACH) == 0);
    CHECK(OptionOf(snapshotter().Mounts("c"), "lowerdir") == lower);
    CHECK(StatOf(lower + "/file").st_uid == kRoot + 7);
  }
  SECTION("something else is mounted there now") {
    const std::string place = lower.substr(0, lower.find("/snapshots/") + 10);
    REQUIRE(::mount("none", place.c_str(), "tmpfs", 0, nullptr) == 0);
    REQUIRE_OK(snapshotter().Mounts("c"));
    CHECK(StatOf(lower + "/file").st_uid == kRoot + 7);
    CHECK(MountsBelow(idmapped_path()) == 1);
  }
}

TEST_CASE_METHOD(IdMappedFixture, "A call that fails leaves no mount", "[id_mapped]") {
  REQUIRE_OK(snapshotter().Prepare("c", "base", {}));
  CHECK(absl::IsAlreadyExists(snapshotter().Prepare("c", "base", LabelsFor(kRoot)).status()));
  CHECK(MappingsLeft() == 0);
  SnapshotLabels labels = LabelsFor(kRoot);
  labels[kGidMappingLabel] = "x";
  CHECK(absl::IsInvalidArgument(snapshotter().Prepare("d", "base", labels).status()));
  labels[kGidMappingLabel] = "0:5:9,3:50:9";  // overlap: the kernel's to find
  CHECK(absl::IsInvalidArgument(snapshotter().Prepare("d", "base", labels).status()));
  CHECK(absl::IsNotFound(snapshotter().Stat("d").status()));
  CHECK(MappingsLeft() == 0);
}

TEST_CASE_METHOD(IdMappedFixture, "A layer that holds mapped ids is shown as it is",
                 "[id_mapped]") {
  REQUIRE_OK(snapshotter().Prepare("c", "base", LabelsFor(kRoot)));
  REQUIRE_OK(snapshotter().Commit("of container", "c", {}));
  const std::string lowers =
      OptionOf(snapshotter().Prepare("d", "of container", LabelsFor(kRoot)), "lowerdir");
  const size_t colon = lowers.find(':');
  CHECK(lowers.substr(0, colon) == snapshots_path() + "/2/fs");
  CHECK(StatOf(lowers.substr(colon + 1) + "/file").st_uid == kRoot + 7);
  // for other ids it is a layer like any other
  const std::string mapped =
      OptionOf(snapshotter().Prepare("e", "of container", LabelsFor(kOtherRoot)), "lowerdir");
  CHECK(absl::StartsWith(mapped, idmapped_path()));
}

TEST_CASE_METHOD(IdMappedFixture, "Annotations of a layer that is unpacked map nothing",
                 "[id_mapped]") {
  SnapshotLabels labels = LabelsFor(kRoot);
  labels[kSnapshotRefLabel] = "sha256:" + std::string(64, '0');
  const auto mounts = snapshotter().Prepare("layer", "base", labels);
  CHECK(OptionOf(mounts, "lowerdir") == snapshots_path() + "/1/fs");
  CHECK(StatOf(OptionOf(mounts, "upperdir")).st_uid == 0);
}

TEST_CASE_METHOD(IdMappedFixture, "A file system that cannot map ids is refused, with what to do",
                 "[id_mapped]") {
  const auto mounts = IdMappedMounts::Open(path() + "/other", {{"source", "/proc"}});
  REQUIRE_OK(mounts);
  const auto mapped = (*mounts)->Map(MappingFor(kRoot), {"/proc/sys"});
  REQUIRE(absl::IsFailedPrecondition(mapped.status()));
  CHECK(absl::StrContains(mapped.status().message(), "Linux 6.12"));
  CHECK(absl::StrContains(mapped.status().message(), "\"remap-ids\""));
  CHECK(absl::IsInvalidArgument((*mounts)->Map(MappingFor(kRoot), {"/etc"}).status()));
  CHECK(absl::IsFailedPrecondition(CheckIdMapping("/proc", path())));
  REQUIRE_OK(CheckIdMapping(path(), path() + "/nothing"));
}

TEST_CASE_METHOD(IdMappedFixture, "Where ids cannot be mapped, only what containerd copied works",
                 "[id_mapped]") {
  const std::string view = path() + "/view";
  REQUIRE_OK(MakeDirectories(view));
  REQUIRE(::mount("none", view.c_str(), "proc", 0, nullptr) == 0);
  layers().view_directory = view;
  layers().Register('a', std::nullopt, {1});
  Reopen();
  const std::string remote = PrepareRemote('a', "");
  CHECK(absl::IsFailedPrecondition(
      snapshotter().Prepare("direct", remote, LabelsFor(kRoot)).status()));
  CHECK(absl::IsNotFound(snapshotter().Stat("direct").status()));

  const auto copy = snapshotter().Prepare("copy-remap", remote, {});
  REQUIRE(::chown(OptionOf(copy, "upperdir").c_str(), kRoot, kRoot) == 0);
  REQUIRE_OK(snapshotter().Commit("copy", "copy-remap", {}));
  const auto mounts = snapshotter().Prepare("c", "copy", LabelsFor(kRoot));
  CHECK(absl::EndsWith(OptionOf(mounts, "lowerdir"), absl::StrCat("/fs:", view, "/1")));
  REQUIRE(::umount2(view.c_str(), MNT_DETACH) == 0);
}

TEST_CASE_METHOD(IdMappedFixture, "Held mappings stay", "[id_mapped]") {
  const auto mounts = IdMappedMounts::Open(path() + "/other", {{"source", snapshots_path()}});
  REQUIRE_OK(mounts);
  const auto nobody = []() -> absl::StatusOr<std::vector<IdMapping>> {
    return std::vector<IdMapping>();
  };
  {
    const auto hold = (*mounts)->HoldMapping(MappingFor(kRoot));
    REQUIRE_OK((*mounts)->Map(MappingFor(kRoot), {snapshots_path() + "/1/fs"}));
    REQUIRE_OK((*mounts)->KeepOnly(nobody));
    CHECK(MountsBelow(path() + "/other") == 1);
  }
  REQUIRE_OK((*mounts)->KeepOnly(nobody));
  CHECK(MountsBelow(path() + "/other") == 0);
}

}  // namespace
}  // namespace stowage
