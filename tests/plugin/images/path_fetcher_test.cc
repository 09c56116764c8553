#include "plugin/images/path_fetcher.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const std::string kPaths[] = {
    "00000000000000000000000000000001-one",   "00000000000000000000000000000002-two",
    "00000000000000000000000000000003-three", "00000000000000000000000000000004-four",
    "00000000000000000000000000000005-five",
};

// Stands for nix-store. A path with a pipe in hold/ is had when somebody has written to it, one
// with a file in lost/ never.
constexpr char kNixStore[] = R"(#!/bin/sh
cd "${0%/*}/.." || exit 2
paths= status=0
for word; do
  case $word in /nix/store/*) paths="$paths ${word#/nix/store/}" ;; esac
done
echo "$paths" >> calls
set -- $paths
for path; do
  if [ -p "hold/$path" ]; then read -r _ < "hold/$path"; fi
  if [ -e "lost/$path" ]; then
    status=1
    if [ $# = 1 ]; then echo "error: no cache has $path" >&2; fi
    continue
  fi
  : > "store/$path"
  : > "valid/$path"
done
if [ $status = 1 ] && [ $# != 1 ]; then echo "error: some could not be had" >&2; fi
exit $status
)";

Digest NarHash(const std::string& base_name) { return Sha256(absl::StrCat("nar of ", base_name)); }

// What Nix's database would say. A path with a file in other/ has other contents than recorded.
class ValidFiles : public ClosureReader {
 public:
  explicit ValidFiles(std::string directory) : directory_(std::move(directory)) {}
  absl::StatusOr<Closure> Read(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::Status CheckPathsValid(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) override {
    std::vector<std::optional<Digest>> hashes(paths.size());
    for (size_t i = 0; i < paths.size(); ++i) {
      const std::string& name = paths[i].base_name();
      if (!Exists("valid", name)) continue;
      hashes[i] = Exists("other", name) ? Sha256("other contents") : NarHash(name);
    }
    return hashes;
  }

 private:
  bool Exists(const std::string& folder, const std::string& name) const {
    return ReadFile(absl::StrCat(directory_, "/", folder, "/", name)).ok();
  }

  const std::string directory_;
};

// A held layer of promised store paths.
struct Fixture {
  testing::TemporaryDirectory directory;
  std::unique_ptr<LayerCatalog> catalog;
  std::vector<int64_t> objects;
  std::unique_ptr<PathFetcher> fetcher;

  Fixture() {
    for (const char* name : {"bin", "hold", "lost", "other", "store", "valid"})
      REQUIRE_OK(MakeDirectories(directory.Join(name)));
    REQUIRE_OK(WriteFileAtomically(directory.Join("bin/nix-store"), kNixStore));
    REQUIRE(::chmod(directory.Join("bin/nix-store").c_str(), 0755) == 0);
    LayerCatalogOptions options;
    options.state_directory = directory.Join("state");
    options.gc_roots_directory = directory.Join("roots");
    options.fuse_mountpoint = directory.Join("fs");
    options.store_directory = directory.Join("store");
    auto opened = LayerCatalog::Open(options);
    REQUIRE_OK(opened);
    catalog = *std::move(opened);
    Promise();
    Start(absl::Seconds(30));
  }

  void Promise() {
    std::vector<ObjectRecord> records;
    for (const std::string& path : kPaths) records.push_back({0, path, NarHash(path)});
    const LayerRecord layer = {0,    LayerKind::kStorePaths, Sha256("content"), Sha256("diff"), 0,
                               false};
    const int64_t id = catalog->table().Record(layer, records).value();
    REQUIRE_OK(catalog->table().SetRooted({id}, true));
    const auto recorded = catalog->table().Objects({id});  // sorted by name, as kPaths are
    REQUIRE_OK(recorded);
    for (const ObjectRecord& object : *recorded) objects.push_back(object.number);
    REQUIRE_OK(catalog->views().Promise(objects));
  }

  void Start(absl::Duration timeout) {
    NixOptions nix;
    nix.program_directory = directory.Join("bin");
    nix.work_directory = directory.path();
    fetcher = std::make_unique<PathFetcher>(PathFetcher::Options{nix, timeout}, *catalog,
                                            std::make_unique<ValidFiles>(directory.path()),
                                            [](LogLevel, absl::string_view) {});
  }

  std::future<bool> Want(size_t path) {
    auto promise = std::make_shared<std::promise<bool>>();  // owner: the callback alone
    std::future<bool> fetched = promise->get_future();
    (void)fetcher->Want(objects[path], [promise](bool had) { promise->set_value(had); });
    return fetched;
  }
  void Hold(size_t path) {
    REQUIRE(::mkfifo(directory.Join("hold/" + kPaths[path]).c_str(), 0600) == 0);
  }
  void Release(size_t path) {
    REQUIRE_OK(OpenAt(AT_FDCWD, directory.Join("hold/" + kPaths[path]), O_WRONLY).status());
  }
  void Mark(const std::string& as, size_t path) {
    REQUIRE_OK(WriteFileAtomically(directory.Join(as + "/" + kPaths[path]), ""));
  }
  void AwaitRunning(size_t count) {
    while (fetcher->progress().fetching.size() < count) absl::SleepFor(absl::Milliseconds(2));
  }
  std::vector<std::string> Calls() {
    const std::string text = ReadFile(directory.Join("calls")).value();
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }
};

TEST_CASE_METHOD(Fixture, "PathFetcher keeps a promise when its path is there",
                 "[plugin][path_fetcher]") {
  CHECK(Want(0).get());
  CHECK(catalog->views().promises().All() ==
        std::vector<int64_t>(objects.begin() + 1, objects.end()));
  CHECK(ReadFile(absl::StrCat(directory.Join("state/objects/"), objects[0])).ok());
  CHECK(fetcher->progress().failures.empty());
}

TEST_CASE_METHOD(Fixture, "PathFetcher fetches a path once for all who wait for it",
                 "[plugin][path_fetcher]") {
  Hold(0);
  std::future<bool> first = Want(0);
  AwaitRunning(1);
  std::future<bool> second = Want(0);
  Release(0);
  CHECK(first.get());
  CHECK(second.get());
  CHECK(Calls().size() == 1);
}

TEST_CASE_METHOD(Fixture, "PathFetcher answers for each path of a call by itself",
                 "[plugin][path_fetcher]") {
  std::vector<std::future<bool>> occupying;
  for (const size_t path : {0, 1, 2}) {
    Hold(path);
    occupying.push_back(Want(path));
    AwaitRunning(path + 1);
  }
  Mark("lost", 3);
  std::future<bool> lost = Want(3);
  std::future<bool> other = Want(4);
  for (const size_t path : {0, 1, 2}) Release(path);
  CHECK(other.get());
  CHECK_FALSE(lost.get());
  for (std::future<bool>& fetched : occupying) CHECK(fetched.get());
  const PathFetcher::Progress progress = fetcher->progress();
  REQUIRE(progress.failures.size() == 1);
  CHECK(progress.failures[0].store_path == "/nix/store/" + kPaths[3]);
  CHECK(absl::StrContains(progress.failures[0].error, "no cache has " + kPaths[3]));
  CHECK(Calls().size() == 5);
}

TEST_CASE_METHOD(Fixture, "PathFetcher shows no path with another narHash than recorded",
                 "[plugin][path_fetcher]") {
  Mark("other", 0);
  CHECK_FALSE(Want(0).get());
  CHECK(catalog->views().promises().Contains(objects[0]));
  CHECK_FALSE(ReadFile(absl::StrCat(directory.Join("state/objects/"), objects[0])).ok());
  REQUIRE(fetcher->progress().failures.size() == 1);
  CHECK(absl::StrContains(fetcher->progress().failures[0].error, "not reproducible"));
}

TEST_CASE_METHOD(Fixture, "PathFetcher gives up a call of Nix that takes too long",
                 "[plugin][path_fetcher]") {
  fetcher.reset();
  Start(absl::Seconds(2));
  Hold(0);
  CHECK_FALSE(Want(0).get());
  CHECK(catalog->views().promises().Contains(objects[0]));
  CHECK(Want(1).get());
}

TEST_CASE_METHOD(Fixture, "PathFetcher fetches what shared a call with a path that takes too long",
                 "[plugin][path_fetcher]") {
  fetcher.reset();
  Start(absl::Seconds(2));
  std::vector<std::future<bool>> occupying;
  for (const size_t path : {0, 1, 2}) {
    Hold(path);
    occupying.push_back(Want(path));
    AwaitRunning(path + 1);
  }
  Hold(3);
  std::future<bool> silent = Want(3);
  std::future<bool> other = Want(4);
  CHECK(other.get());
  CHECK_FALSE(silent.get());
  for (std::future<bool>& fetched : occupying) CHECK_FALSE(fetched.get());
}

TEST_CASE_METHOD(Fixture, "PathFetcher answers who still waits when it ends",
                 "[plugin][path_fetcher]") {
  Hold(0);
  std::future<bool> waiting = Want(0);
  AwaitRunning(1);
  fetcher.reset();
  CHECK_FALSE(waiting.get());
}

TEST_CASE_METHOD(Fixture, "PathFetcher does not begin for whoever has left",
                 "[plugin][path_fetcher]") {
  for (const size_t path : {0, 1, 2}) {
    Hold(path);
    (void)Want(path);
    AwaitRunning(path + 1);
  }
  fetcher->Forget(fetcher->Want(objects[3], [](bool) { FAIL("answered"); }));
  for (const size_t path : {0, 1, 2}) Release(path);
  CHECK(Want(4).get());
  for (const std::string& call : Calls()) CHECK(call != " " + kPaths[3]);
}

}  // namespace
}  // namespace stowage
