#include "plugin/snapshots/tree_remover.h"

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

}  // namespace
}  // namespace stowage
