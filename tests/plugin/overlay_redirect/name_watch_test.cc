#include "plugin/overlay_redirect/name_watch.h"

#include <stdio.h>

#include <set>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// What a watch has told.
struct Told {
  absl::Mutex mutex;
  std::set<std::string> names;
  std::string warning;

  bool Sees(const std::string& name) {
    const auto seen = [&] { return names.count(name) == 1; };
    const absl::MutexLock lock(&mutex);
    return mutex.AwaitWithTimeout(absl::Condition(&seen), kPatience);
  }
  bool IsWarned() {
    const auto warned = [&] { return !warning.empty(); };
    const absl::MutexLock lock(&mutex);
    return mutex.AwaitWithTimeout(absl::Condition(&warned), kPatience);
  }
};

absl::StatusOr<std::unique_ptr<NameWatch>> Watch(const std::string& directory, Told& told) {
  return NameWatch::Start(
      directory,
      [&told, directory] {
        const auto names = ListDirectory(directory);
        const absl::MutexLock lock(&told.mutex);
        if (names.ok()) told.names.insert(names->begin(), names->end());
        return absl::OkStatus();
      },
      [&told](absl::string_view line) {
        const absl::MutexLock lock(&told.mutex);
        told.warning = std::string(line);
      });
}

TEST_CASE("NameWatch tells of names that were there, are made, and are moved in",
          "[plugin][name_watch]") {
  const testing::TemporaryDirectory directory;
  const std::string watched = directory.Join("watched");
  REQUIRE_OK(MakeDirectories(watched + "/before"));
  REQUIRE_OK(MakeDirectories(directory.Join("moved")));
  Told told;
  const auto watch = Watch(watched, told);
  REQUIRE_OK(watch);
  CHECK(told.Sees("before"));
  REQUIRE_OK(MakeDirectories(watched + "/made"));
  CHECK(told.Sees("made"));
  REQUIRE(::rename(directory.Join("moved").c_str(), (watched + "/moved").c_str()) == 0);
  CHECK(told.Sees("moved"));
}

TEST_CASE("NameWatch repeats a call that failed, without another event, and warns once",
          "[plugin][name_watch]") {
  const testing::TemporaryDirectory directory;
  absl::Mutex mutex;
  int calls = 0;
  int warnings = 0;
  const auto watch = NameWatch::Start(
      directory.path(),
      [&] {
        const absl::MutexLock lock(&mutex);
        ++calls;  // 1: at the start
        return calls == 2 || calls == 3 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
      },
      [&](absl::string_view) {
        const absl::MutexLock lock(&mutex);
        ++warnings;
      });
  REQUIRE_OK(watch);
  REQUIRE_OK(MakeDirectories(directory.Join("made")));
  const auto repeated = [&] { return calls == 4; };
  const absl::MutexLock lock(&mutex);
  CHECK(mutex.AwaitWithTimeout(absl::Condition(&repeated), kPatience));
  CHECK(warnings == 1);
}

TEST_CASE("NameWatch warns when its directory is removed", "[plugin][name_watch]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("watched")));
  Told told;
  const auto watch = Watch(directory.Join("watched"), told);
  REQUIRE_OK(watch);
  REQUIRE_OK(RemoveTree(directory.Join("watched")));
  CHECK(told.IsWarned());
}

TEST_CASE("NameWatch starts only on a directory and when its first call goes well",
          "[plugin][name_watch]") {
  const testing::TemporaryDirectory directory;
  Told told;
  CHECK(absl::IsNotFound(Watch(directory.Join("missing"), told).status()));
  const auto refused = NameWatch::Start(
      directory.path(), [] { return absl::DataLossError("no"); }, [](absl::string_view) {});
  CHECK(absl::IsDataLoss(refused.status()));
}

}  // namespace
}  // namespace stowage
