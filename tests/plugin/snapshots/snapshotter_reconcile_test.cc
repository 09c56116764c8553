#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "tests/plugin/snapshots/snapshotter_fixture.h"

namespace stowage {
namespace {

using testing::SnapshotterFixture;

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Waits until only the directories of rows are left.
void AwaitDirectories(const SnapshotterFixture& fixture, const std::vector<std::string>& want) {
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) {
    names = ListDirectory(fixture.snapshots_path()).value();
    std::erase(names, ".stowage");  // the directory's marker
    if (names == want) break;
    ::usleep(10'000);
  }
  CHECK(names == want);
}

TEST_CASE("Open deletes directories that no row knows", "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  fixture.CommitLayer("base", "");
  const std::string root = fixture.snapshots_path();
  fixture.ReopenAfter([&] {
    REQUIRE_OK(MakeDirectories(root + "/2/fs/deep/er"));           // placed, not committed
    REQUIRE_OK(MakeDirectories(root + "/.new-0123/fs"));           // not placed
    REQUIRE_OK(MakeDirectories(root + "/.removing-9-0123/work"));  // half deleted
  });
  CHECK_FALSE(Exists(root + "/2"));  // at once: the next row takes that number
  AwaitDirectories(fixture, {"1"});
  REQUIRE_OK(fixture.snapshotter().Prepare("next", "base", {}));
  CHECK(Exists(root + "/2/fs"));
  CHECK_FALSE(Exists(root + "/2/fs/deep"));
}

TEST_CASE("Cleanup deletes what a removal left behind, and nothing else",
          "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  fixture.CommitLayer("base", "");
  REQUIRE_OK(MakeDirectories(fixture.snapshots_path() + "/.removing-9-0123/work/deep"));
  REQUIRE_OK(fixture.snapshotter().Cleanup());
  AwaitDirectories(fixture, {"1"});
  CHECK(fixture.Names() == std::vector<std::string>{"base"});
}

TEST_CASE("Open leaves names alone that are not its own", "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  REQUIRE_OK(MakeDirectories(fixture.snapshots_path() + "/lost+found"));
  fixture.Reopen();
  CHECK(Exists(fixture.snapshots_path() + "/lost+found"));
}

TEST_CASE("Open forgets rows that lost their directory, but none with children",
          "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  fixture.CommitLayer("base", "");                                       // 1
  fixture.CommitLayer("gone", "base");                                   // 2
  REQUIRE_OK(fixture.snapshotter().Prepare("gone child", "gone", {}));   // 3
  REQUIRE_OK(fixture.snapshotter().View("view", "base", {}));            // 4, has none anyway
  fixture.CommitLayer("needed", "base");                                 // 5
  REQUIRE_OK(fixture.snapshotter().Prepare("container", "needed", {}));  // 6
  fixture.ReopenAfter([&] {
    for (const char* id : {"/2", "/3", "/5"}) REQUIRE_OK(RemoveTree(fixture.snapshots_path() + id));
  });
  CHECK(fixture.Names() == std::vector<std::string>{"base", "view", "needed", "container"});
  const std::vector<std::string> warnings = fixture.warnings();
  REQUIRE(warnings.size() == 3);
  CHECK(absl::StrContains(warnings[0], "needed has lost its directory; kept"));
  CHECK(absl::StrContains(warnings[1], "gone child has lost its directory; forgotten"));
  CHECK(absl::StrContains(warnings[2], "gone has lost its directory; forgotten"));
}

TEST_CASE("Open refuses when no snapshot has its directory: something is not mounted",
          "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  fixture.CommitLayer("base", "");
  REQUIRE_OK(fixture.snapshotter().Prepare("container", "base", {}));
  fixture.Close();
  const std::string aside = fixture.path() + "/aside";
  REQUIRE(::rename(fixture.snapshots_path().c_str(), aside.c_str()) == 0);
  const auto opened = fixture.TryOpen();
  CHECK(absl::IsFailedPrecondition(opened.status()));
  CHECK(absl::StrContains(opened.status().message(), "none of 2 snapshots"));
  REQUIRE(::rmdir(fixture.snapshots_path().c_str()) == 0);
  REQUIRE(::rename(aside.c_str(), fixture.snapshots_path().c_str()) == 0);
  fixture.Reopen();
  CHECK(fixture.Names() == std::vector<std::string>{"base", "container"});
}

TEST_CASE("Open forgets the last row too when its removal was lost with the power",
          "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  REQUIRE_OK(fixture.snapshotter().Prepare("container", "", {}));
  fixture.ReopenAfter([&] { REQUIRE_OK(RemoveTree(fixture.snapshots_path() + "/1")); });
  CHECK(fixture.Names().empty());
}

TEST_CASE("Rows of remote snapshots need no directory", "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  fixture.layers().Register('a', std::nullopt, {1});
  const std::string remote = fixture.PrepareRemote('a', "");
  REQUIRE_OK(fixture.snapshotter().View("view", remote, {}));
  fixture.Reopen();
  CHECK(fixture.Names() == std::vector<std::string>{remote, "view"});
}

// Prepares, commits and removes until it is killed, telling after each answer what must be there.
[[noreturn]] void WorkUntilKilled(Snapshotter& snapshotter, int pipe) {
  for (uint32_t i = 0;; ++i) {
    const std::string key = absl::StrCat("key ", i);
    const std::string name = absl::StrCat("name ", i);
    if (!snapshotter.Prepare(key, "", {}).ok() || !snapshotter.Commit(name, key, {}).ok())
      ::_exit(1);
    if (::write(pipe, &i, sizeof i) != sizeof i) ::_exit(2);
    if (i > 0 && !snapshotter.Remove(absl::StrCat("name ", i - 1)).ok()) ::_exit(3);
  }
}

TEST_CASE("What was answered before kill -9 is there afterwards, and nothing else",
          "[plugin][snapshotter][reconcile]") {
  SnapshotterFixture fixture;
  fixture.CommitLayer("base", "");
  for (int round = 0; round < 8; ++round) {
    fixture.Close();
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto snapshotter = fixture.TryOpen();
      if (!snapshotter.ok()) ::_exit(4);
      WorkUntilKilled(**snapshotter, ends[1]);
    }
    (void)::close(ends[1]);
    ::usleep(20'000 + 7'000 * static_cast<useconds_t>(round));
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    int64_t last = -1;
    uint32_t told = 0;
    while (::read(ends[0], &told, sizeof told) == sizeof told) last = told;
    (void)::close(ends[0]);

    fixture.Reopen();
    Snapshotter& snapshotter = fixture.snapshotter();
    if (last >= 0) REQUIRE_OK(snapshotter.Stat(absl::StrCat("name ", last)));
    if (last >= 2)
      CHECK(absl::IsNotFound(snapshotter.Stat(absl::StrCat("name ", last - 2)).status()));
    for (const std::string& name : fixture.Names())
      if (name != "base") REQUIRE_OK(snapshotter.Remove(name));
    AwaitDirectories(fixture, {"1"});
    CHECK(fixture.warnings().empty());
  }
}

}  // namespace
}  // namespace stowage
