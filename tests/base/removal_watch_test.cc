#include "base/removal_watch.h"

#include <cstdio>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("RemovalWatch counts what leaves a directory and nothing else", "[base][removal_watch]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("watched/old/below")));
  auto watch = RemovalWatch::Open(directory.Join("watched"));
  REQUIRE_OK(watch);
  uint64_t count = watch->Count().value();

  SECTION("what is added, written or removed further below does not count") {
    REQUIRE_OK(MakeDirectories(directory.Join("watched/new")));
    REQUIRE_OK(WriteFileAtomically(directory.Join("watched/old/file"), "x"));
    REQUIRE_OK(RemoveTree(directory.Join("watched/old/below")));
    CHECK(watch->Count().value() == count);
  }
  SECTION("a removed entry counts once") {
    REQUIRE_OK(RemoveTree(directory.Join("watched/old")));
    CHECK(watch->Count().value() > count);
    count = watch->Count().value();
    CHECK(watch->Count().value() == count);
  }
  SECTION("an entry that is moved away counts") {
    REQUIRE(std::rename(directory.Join("watched/old").c_str(), directory.Join("old").c_str()) == 0);
    CHECK(watch->Count().value() > count);
  }
  SECTION("more removals than fit in one read all count") {
    for (int i = 0; i < 300; ++i)
      REQUIRE_OK(MakeDirectories(directory.Join(absl::StrCat("watched/", i))));
    for (int i = 0; i < 300; ++i)
      REQUIRE_OK(RemoveTree(directory.Join(absl::StrCat("watched/", i))));
    CHECK(watch->Count().value() > count);
    count = watch->Count().value();
    CHECK(watch->Count().value() == count);
  }
  SECTION("a directory that is gone itself never looks unchanged again") {
    const bool moved = GENERATE(false, true);
    if (moved) {
      REQUIRE(std::rename(directory.Join("watched").c_str(), directory.Join("gone").c_str()) == 0);
    } else {
      REQUIRE_OK(RemoveTree(directory.Join("watched")));
    }
    count = watch->Count().value();
    CHECK(watch->Count().value() > count);
  }
}

TEST_CASE("RemovalWatch names a directory that it cannot watch", "[base][removal_watch]") {
  const testing::TemporaryDirectory directory;
  const auto missing = RemovalWatch::Open(directory.Join("missing"));
  CHECK(absl::IsNotFound(missing.status()));
  CHECK(missing.status().message().find(directory.Join("missing")) != absl::string_view::npos);
  REQUIRE_OK(WriteFileAtomically(directory.Join("file"), "x"));
  CHECK_FALSE(RemovalWatch::Open(directory.Join("file")).ok());
}

}  // namespace
}  // namespace stowage
