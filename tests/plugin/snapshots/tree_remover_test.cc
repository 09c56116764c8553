#include "plugin/snapshots/tree_remover.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("TreeRemover deletes what it is given", "[plugin][tree_remover]") {
  const testing::TemporaryDirectory directory;
  TreeRemover remover([](absl::string_view) {});
  for (int i = 0; i < 20; ++i) {
    const std::string tree = directory.Join(std::to_string(i));
    REQUIRE_OK(MakeDirectories(tree + "/a/b/c"));
    remover.Add(tree);
  }
  remover.Drain();
  CHECK(ListDirectory(directory.path()).value().empty());
}

TEST_CASE("TreeRemover tells what it cannot delete and goes on", "[plugin][tree_remover]") {
  const testing::TemporaryDirectory directory;
  std::vector<std::string> warnings;  // read after Drain only
  TreeRemover remover([&](absl::string_view message) { warnings.emplace_back(message); });
  remover.Add("/proc/self/fd");
  REQUIRE_OK(MakeDirectories(directory.Join("next")));
  remover.Add(directory.Join("next"));
  remover.Drain();
  REQUIRE(warnings.size() == 1);
  CHECK(warnings.front().find("delete /proc/self/fd: ") == 0);
  CHECK(::access(directory.Join("next").c_str(), F_OK) != 0);
}

// A skeleton of 5,000 store paths takes seconds on some file systems, and SIGTERM waits for this.
// Whether the remover is met in the middle of the tree is the scheduler's; once is enough.
TEST_CASE("TreeRemover ends in the middle of a tree, and another goes on",
          "[plugin][tree_remover]") {
  constexpr size_t kDirectories = 3000;
  const testing::TemporaryDirectory directory;
  const std::string tree = directory.Join("tree");
  const auto left = [&] {
    const auto names = ListDirectory(tree);
    return names.ok() ? names->size() : 0;
  };
  std::vector<std::string> warnings;
  const auto warn = [&](absl::string_view message) { warnings.emplace_back(message); };
  bool met_in_the_middle = false;
  for (int attempt = 0; attempt < 20 && !met_in_the_middle; ++attempt) {
    REQUIRE(::mkdir(tree.c_str(), 0755) == 0);
    for (size_t i = 0; i < kDirectories; ++i)
      REQUIRE(::mkdir((tree + "/" + std::to_string(i)).c_str(), 0755) == 0);
    {
      TreeRemover remover(warn);
      remover.Add(tree);
      while (left() == kDirectories) ::usleep(100);
    }
    met_in_the_middle = left() > 0;
    TreeRemover next(warn);
    next.Add(tree);
    next.Drain();
    CHECK(ListDirectory(directory.path()).value().empty());
  }
  CHECK(met_in_the_middle);
  CHECK(warnings.empty());
}

}  // namespace
}  // namespace stowage
