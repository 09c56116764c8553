#include "plugin/snapshots/snapshotter.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "tests/plugin/snapshots/snapshotter_fixture.h"

namespace stowage {
namespace {

using testing::SnapshotterFixture;

void WriteFile(const std::string& path, size_t bytes) {
  const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT, 0644);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), std::string(bytes, 'x'), path));
}

TEST_CASE("Snapshotter answers the codes of containerd's overlayfs", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  fixture.CommitLayer("base", "");
  REQUIRE_OK(snapshotter.Prepare("active", "base", {}));
  REQUIRE_OK(snapshotter.View("view", "base", {}));
  using absl::StatusCode;
  const auto code = [](const auto& result) { return testing::StatusOf(result).code(); };
  Snapshot unknown;
  unknown.name = "unknown";

  CHECK(code(snapshotter.Stat("unknown")) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Mounts("unknown")) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Usage("unknown")) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Remove("unknown")) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Commit("name", "unknown", {})) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Update(unknown, {})) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Prepare("new", "unknown", {})) == StatusCode::kNotFound);
  CHECK(code(snapshotter.View("new", "unknown", {})) == StatusCode::kNotFound);

  CHECK(code(snapshotter.Prepare("active", "", {})) == StatusCode::kAlreadyExists);
  CHECK(code(snapshotter.Prepare("base", "base", {})) == StatusCode::kAlreadyExists);
  CHECK(code(snapshotter.View("view", "base", {})) == StatusCode::kAlreadyExists);
  CHECK(code(snapshotter.Commit("base", "active", {})) == StatusCode::kAlreadyExists);
  CHECK(code(snapshotter.Commit("active", "active", {})) == StatusCode::kAlreadyExists);

  CHECK(code(snapshotter.Prepare("new", "active", {})) == StatusCode::kInvalidArgument);
  CHECK(code(snapshotter.View("new", "view", {})) == StatusCode::kInvalidArgument);
  CHECK(code(snapshotter.Prepare("", "base", {})) == StatusCode::kInvalidArgument);
  CHECK(code(snapshotter.Commit("", "active", {})) == StatusCode::kInvalidArgument);

  CHECK(code(snapshotter.Remove("base")) == StatusCode::kFailedPrecondition);
  CHECK(code(snapshotter.Mounts("base")) == StatusCode::kFailedPrecondition);
  CHECK(code(snapshotter.Commit("new", "view", {})) == StatusCode::kFailedPrecondition);
  CHECK(code(snapshotter.Commit("new", "base", {})) == StatusCode::kFailedPrecondition);

  REQUIRE_OK(snapshotter.Commit("committed", "active", {}));
  CHECK(code(snapshotter.Stat("active")) == StatusCode::kNotFound);
  CHECK(code(snapshotter.Cleanup()) == StatusCode::kOk);
  // None of the failed calls left anything.
  CHECK(fixture.Names() == std::vector<std::string>{"base", "committed", "view"});
  std::vector<std::string> directories = ListDirectory(fixture.snapshots_path()).value();
  // What begins with a dot is on its way out.
  std::erase_if(directories, [](const std::string& name) { return name.front() == '.'; });
  CHECK(directories == std::vector<std::string>{"1", "2"});
}

TEST_CASE("Snapshotter tells which snapshot an error is about", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  const absl::Status status = fixture.snapshotter().Stat("k8s.io/7/some key").status();
  CHECK(status.message() == "snapshot k8s.io/7/some key does not exist");
}

TEST_CASE("Stat tells kind, parent, labels and times", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  const absl::Time before = absl::Now();
  fixture.CommitLayer("base", "");
  REQUIRE_OK(snapshotter.Prepare("active", "base", {{"a", "1"}, {"empty", ""}}));
  REQUIRE_OK(snapshotter.View("view", "base", {}));
  const Snapshot active = snapshotter.Stat("active").value();
  CHECK(active.name == "active");
  CHECK(active.parent == "base");
  CHECK(active.kind == SnapshotKind::kActive);
  CHECK(active.labels == SnapshotLabels{{"a", "1"}});
  CHECK(active.created_at >= before);
  CHECK(active.updated_at == active.created_at);
  CHECK(snapshotter.Stat("view")->kind == SnapshotKind::kView);
  CHECK(snapshotter.Stat("base")->kind == SnapshotKind::kCommitted);
  CHECK(snapshotter.Stat("base")->parent.empty());
}

TEST_CASE("Commit replaces the labels and renews the times", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  REQUIRE_OK(snapshotter.Prepare("active", "", {{"old", "1"}}));
  const absl::Time created = snapshotter.Stat("active")->created_at;
  REQUIRE_OK(snapshotter.Commit("base", "active", {{"new", "2"}}));
  const Snapshot base = snapshotter.Stat("base").value();
  CHECK(base.labels == SnapshotLabels{{"new", "2"}});
  CHECK(base.created_at > created);
  CHECK(base.updated_at == base.created_at);
}

TEST_CASE("Update follows the field mask", "[plugin][snapshotter]") {
  using Paths = std::vector<std::string>;
  const auto [paths, want] = GENERATE(table<Paths, SnapshotLabels>({
      {{}, {{"b", "B"}, {"c", "C"}}},
      {{"labels"}, {{"b", "B"}, {"c", "C"}}},
      {{"labels.c"}, {{"a", "1"}, {"b", "2"}, {"c", "C"}}},
      {{"labels.b"}, {{"a", "1"}, {"b", "B"}}},
      {{"labels.a"}, {{"b", "2"}}},
      {{"labels.a", "labels.c"}, {{"b", "2"}, {"c", "C"}}},
      {{"labels.x.y/z"}, {{"a", "1"}, {"b", "2"}}},
  }));
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  REQUIRE_OK(snapshotter.Prepare("key", "", {{"a", "1"}, {"b", "2"}}));
  const Snapshot before = snapshotter.Stat("key").value();
  Snapshot wanted;
  wanted.name = "key";
  wanted.labels = {{"b", "B"}, {"c", "C"}};
  const auto updated = snapshotter.Update(wanted, paths);
  REQUIRE_OK(updated);
  CHECK(updated->labels == want);
  CHECK(snapshotter.Stat("key")->labels == want);
  CHECK(updated->updated_at > before.updated_at);
  CHECK(updated->created_at == before.created_at);
}

TEST_CASE("Update of anything but labels changes nothing", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  REQUIRE_OK(fixture.snapshotter().Prepare("key", "", {{"a", "1"}}));
  Snapshot wanted;
  wanted.name = "key";
  wanted.labels = {{"a", "2"}};
  for (const char* path : {"kind", "parent", "name", "created_at", "label", "labelsx", ""}) {
    CAPTURE(path);
    CHECK(
        absl::IsInvalidArgument(fixture.snapshotter().Update(wanted, {"labels.a", path}).status()));
  }
  CHECK(fixture.snapshotter().Stat("key")->labels == SnapshotLabels{{"a", "1"}});
}

TEST_CASE("Mounts are those of Prepare and View, at every call", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  const std::string root = fixture.snapshots_path();
  fixture.CommitLayer("base", "");        // row 1
  fixture.CommitLayer("second", "base");  // row 2
  const auto active = snapshotter.Prepare("active", "second", {});
  REQUIRE_OK(active);
  REQUIRE(active->size() == 1);
  CHECK(active->front().type == "overlay");
  CHECK(active->front().options ==
        std::vector<std::string>{"index=off", absl::StrCat("workdir=", root, "/3/work"),
                                 absl::StrCat("upperdir=", root, "/3/fs"),
                                 absl::StrCat("lowerdir=", root, "/2/fs:", root, "/1/fs")});
  const auto view = snapshotter.View("view", "second", {});
  REQUIRE_OK(view);
  CHECK(view->front().options ==
        std::vector<std::string>{"index=off",
                                 absl::StrCat("lowerdir=", root, "/2/fs:", root, "/1/fs")});
  const auto one = snapshotter.View("one", "base", {});
  REQUIRE_OK(one);
  CHECK(one->front() == Mount{"bind", root + "/1/fs", {"ro", "rbind"}});
  const auto empty_view = snapshotter.View("empty view", "", {});
  REQUIRE_OK(empty_view);
  CHECK(empty_view->front() == Mount{"bind", root + "/6/fs", {"ro", "rbind"}});
  CHECK(ListDirectory(root + "/6/fs").value().empty());
  fixture.Reopen();
  CHECK(fixture.snapshotter().Mounts("active").value() == *active);
  CHECK(fixture.snapshotter().Mounts("view").value() == *view);
  CHECK(fixture.snapshotter().Mounts("one").value() == *one);
  CHECK(fixture.snapshotter().Mounts("empty view").value() == *empty_view);
}

TEST_CASE("Mounts of 128 layers name every layer once, top first", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  std::string parent;
  for (int i = 1; i <= 128; ++i) {
    const std::string name = absl::StrCat("layer ", i);
    fixture.CommitLayer(name, parent);
    parent = name;
  }
  const auto mounts = fixture.snapshotter().Prepare("top", parent, {});
  REQUIRE_OK(mounts);
  std::string want = "lowerdir=";
  for (int i = 128; i >= 1; --i)
    absl::StrAppend(&want, fixture.snapshots_path(), "/", i, i > 1 ? "/fs:" : "/fs");
  CHECK(mounts->front().options.back() == want);
}

TEST_CASE("Usage is measured while active and recorded by Commit", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  REQUIRE_OK(snapshotter.Prepare("active", "", {}));
  CHECK(snapshotter.Usage("active")->inodes == 1);
  WriteFile(fixture.snapshots_path() + "/1/fs/file", 200000);
  const auto active = snapshotter.Usage("active");
  REQUIRE_OK(active);
  CHECK(active->inodes == 2);
  CHECK(active->size_bytes >= 200000);
  REQUIRE_OK(snapshotter.Commit("base", "active", {}));
  CHECK(snapshotter.Usage("base").value() == *active);
  WriteFile(fixture.snapshots_path() + "/1/fs/later", 200000);
  CHECK(snapshotter.Usage("base").value() == *active);
  REQUIRE_OK(snapshotter.View("view", "base", {}));
  CHECK(snapshotter.Usage("view").value() == SnapshotUsage{});
}

TEST_CASE("Keys are never names of files", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  const std::vector<std::string> keys = {"k8s.io/7/extract-123-abcd sha256:00",
                                         "/",
                                         "..",
                                         "../../etc/passwd",
                                         "a:b,c\\d=e",
                                         "'; DROP TABLE snapshots; --",
                                         std::string(4000, 'k'),
                                         "caf\u00e9 \u2603"};
  for (const std::string& key : keys) {
    CAPTURE(key);
    REQUIRE_OK(snapshotter.Prepare(key, "", {}));
    CHECK(snapshotter.Stat(key)->name == key);
    CHECK(absl::StartsWith(snapshotter.Mounts(key)->front().source, fixture.snapshots_path()));
    REQUIRE_OK(snapshotter.Commit(key + " committed", key, {}));
    REQUIRE_OK(snapshotter.View(key, key + " committed", {}));
  }
  CHECK(fixture.Names().size() == 2 * keys.size());
  std::vector<std::string> names = ListDirectory(fixture.snapshots_path()).value();
  std::erase(names, ".stowage");  // the directory's marker
  for (const std::string& name : names)
    CHECK(name.find_first_not_of("0123456789") == std::string::npos);
}

TEST_CASE("Remove takes rows and files, children first", "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  fixture.CommitLayer("base", "");
  REQUIRE_OK(snapshotter.Prepare("active", "base", {{"a", "1"}}));
  REQUIRE_OK(snapshotter.View("view", "base", {}));
  REQUIRE_OK(snapshotter.Remove("view"));
  REQUIRE_OK(snapshotter.Remove("active"));
  REQUIRE_OK(snapshotter.Prepare("active", "base", {}));  // the key is free at once
  REQUIRE_OK(snapshotter.Remove("active"));
  REQUIRE_OK(snapshotter.Remove("base"));
  CHECK(fixture.Names().empty());
  fixture.Reopen();
  fixture.ReopenAfter([] {});
  CHECK(fixture.layers().removals == 0);
}

TEST_CASE("Walk filters, joins filters by or, and goes on beyond one page",
          "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  fixture.InsertViews(250);
  Snapshotter& snapshotter = fixture.snapshotter();
  CHECK(fixture.Names().size() == 250);
  CHECK(fixture.Names({"labels.parity==odd"}).size() == 125);
  CHECK(fixture.Names({"labels.parity==odd,name~=\"^view [0-9]$\""}) ==
        std::vector<std::string>{"view 1", "view 3", "view 5", "view 7", "view 9"});
  CHECK(fixture.Names({"name==\"view 4\"", "labels.parity==odd,name==\"view 9\""}) ==
        std::vector<std::string>{"view 4", "view 9"});
  CHECK(fixture.Names({"kind==committed"}).empty());
  CHECK(fixture.Names({""}).size() == 250);
  const auto ignore = [](const Snapshot&) { return absl::OkStatus(); };
  CHECK(absl::IsInvalidArgument(snapshotter.Walk({"kind==active", "=="}, ignore)));
}

TEST_CASE("Walk holds no lock while visiting and ends with the visitor's error",
          "[plugin][snapshotter]") {
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  fixture.CommitLayer("a", "");
  fixture.CommitLayer("b", "a");
  std::vector<std::string> visited;
  const absl::Status status = snapshotter.Walk({}, [&](const Snapshot& snapshot) -> absl::Status {
    visited.push_back(snapshot.name);
    STOWAGE_RETURN_IF_ERROR(snapshotter.Stat(snapshot.name).status());
    STOWAGE_RETURN_IF_ERROR(snapshotter.View("in " + snapshot.name, snapshot.name, {}).status());
    return absl::CancelledError("enough");
  });
  CHECK(absl::IsCancelled(status));
  CHECK(visited == std::vector<std::string>{"a"});
}

TEST_CASE("Eight threads prepare, commit and remove side by side", "[plugin][snapshotter]") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 12;
  SnapshotterFixture fixture;
  Snapshotter& snapshotter = fixture.snapshotter();
  fixture.CommitLayer("base", "");
  std::atomic<int> failures = 0;
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const auto expect = [&](const absl::Status& status) { failures += status.ok() ? 0 : 1; };
      for (int i = 0; i < kRounds; ++i) {
        const std::string key = absl::StrCat("thread ", t, " round ", i);
        expect(snapshotter.Prepare(key, "base", {{"t", absl::StrCat(t)}}).status());
        expect(snapshotter.Commit(key + " c", key, {}));
        expect(snapshotter.View(key, key + " c", {}).status());
        expect(snapshotter.Mounts(key).status());
        expect(snapshotter.Remove(key));
        expect(snapshotter.Remove(key + " c"));
        // One key for all: exactly one thread gets it.
        const auto shared = snapshotter.Prepare(absl::StrCat("shared ", i), "base", {});
        if (shared.ok()) {
          ++won;
        } else if (!absl::IsAlreadyExists(shared.status())) {
          ++failures;
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(won == kRounds);
  CHECK(fixture.Names().size() == 1 + kRounds);
}

}  // namespace
}  // namespace stowage
