#include "plugin/snapshots/snapshot_directories.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

std::unique_ptr<SnapshotDirectories> OpenIn(const std::string& root) {
  auto directories = SnapshotDirectories::Open(root, [](absl::string_view) {});
  REQUIRE_OK(directories);
  return *std::move(directories);
}

mode_t ModeOf(const std::string& path) {
  struct stat status;
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

void Place(SnapshotDirectories& directories, int64_t id, bool writable,
           std::optional<int64_t> parent) {
  auto directory = directories.Create(writable, parent);
  REQUIRE_OK(directory);
  REQUIRE_OK(directory->Place(id));
  directory->Keep();
}

TEST_CASE("SnapshotDirectories makes fs and, if writable, work", "[plugin][snapshot_directories]") {
  const testing::TemporaryDirectory directory;
  const auto directories = OpenIn(directory.Join("snapshots"));
  const mode_t old_mask = ::umask(0077);
  Place(*directories, 1, true, std::nullopt);
  Place(*directories, 2, false, std::nullopt);
  ::umask(old_mask);
  CHECK(ModeOf(directories->UpperPath(1)) == 0755);
  CHECK(ModeOf(directory.Join("snapshots")) == 0700);
  CHECK(::access(directories->WorkPath(1).c_str(), F_OK) == 0);
  CHECK(::access(directories->UpperPath(2).c_str(), F_OK) == 0);
  CHECK(::access(directories->WorkPath(2).c_str(), F_OK) != 0);
  CHECK(directories->Ids().value() == std::vector<int64_t>{1, 2});
}

TEST_CASE("SnapshotDirectories copies the mode and owner of the parent's root",
          "[plugin][snapshot_directories]") {
  const testing::TemporaryDirectory directory;
  const auto directories = OpenIn(directory.Join("snapshots"));
  Place(*directories, 1, true, std::nullopt);
  REQUIRE(::chmod(directories->UpperPath(1).c_str(), 01751) == 0);
  const bool is_root = ::geteuid() == 0;
  if (is_root) REQUIRE(::chown(directories->UpperPath(1).c_str(), 1234, 567) == 0);
  Place(*directories, 2, true, 1);
  CHECK(ModeOf(directories->UpperPath(2)) == 01751);
  struct stat status;
  REQUIRE(::stat(directories->UpperPath(2).c_str(), &status) == 0);
  CHECK(status.st_uid == (is_root ? 1234 : ::geteuid()));
  CHECK(status.st_gid == (is_root ? 567 : ::getegid()));
}

TEST_CASE("A NewSnapshotDirectory that is not kept goes away, placed or not",
          "[plugin][snapshot_directories]") {
  const testing::TemporaryDirectory directory;
  const auto directories = OpenIn(directory.Join("snapshots"));
  {
    const auto unplaced = directories->Create(true, std::nullopt);
    REQUIRE_OK(unplaced);
    auto placed = directories->Create(true, std::nullopt);
    REQUIRE_OK(placed);
    REQUIRE_OK(placed->Place(5));
    CHECK(directories->Ids().value() == std::vector<int64_t>{5});
  }
  CHECK(directories->Ids().value().empty());
  directories->Drain();
  CHECK(ListDirectory(directory.Join("snapshots")).value().empty());
}

TEST_CASE("RemoveLater frees the number at once", "[plugin][snapshot_directories]") {
  const testing::TemporaryDirectory directory;
  const auto directories = OpenIn(directory.Join("snapshots"));
  Place(*directories, 1, true, std::nullopt);
  REQUIRE_OK(directories->RemoveLater(1));
  Place(*directories, 1, true, std::nullopt);
  REQUIRE_OK(directories->RemoveLater(7));  // there is none
  directories->Drain();
  CHECK(ListDirectory(directory.Join("snapshots")).value() == std::vector<std::string>{"1"});
}

TEST_CASE("SnapshotDirectories::Ids takes only its own names", "[plugin][snapshot_directories]") {
  const testing::TemporaryDirectory directory;
  for (const char* name : {"10", "9", "007", "+3", "lost+found", ".new-1", "99999999999999999999"})
    REQUIRE_OK(MakeDirectories(directory.Join(std::string("snapshots/") + name)));
  CHECK(OpenIn(directory.Join("snapshots"))->Ids().value() == std::vector<int64_t>{9, 10});
}

TEST_CASE("SnapshotDirectories belong to one process at a time", "[plugin][snapshot_directories]") {
  const testing::TemporaryDirectory directory;
  auto first = OpenIn(directory.Join("snapshots"));
  const auto second = SnapshotDirectories::Open(directory.Join("snapshots"), {});
  CHECK(absl::IsFailedPrecondition(second.status()));
  CHECK(absl::StrContains(second.status().message(), "another process uses it"));
  first.reset();
  CHECK(SnapshotDirectories::Open(directory.Join("snapshots"), [](absl::string_view) {}).ok());
}

}  // namespace
}  // namespace stowage
