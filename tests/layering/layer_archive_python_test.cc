// A second implementation, made from docs/layer-format.md alone, must agree on every byte.
#include "absl/time/clock.h"
#include "base/subprocess.h"
#include "layering/layer_archive.h"
#include "tests/layering/collecting_sink.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("The Python writer makes the same bytes of the odd store paths", "[layering][archive]") {
  const testing::SyntheticStore store;
  const std::vector<std::string> base_names = testing::MakeOddStore(store);
  const auto archive = LayerArchive::ForStorePaths(store.path(), base_names);
  REQUIRE_OK(archive);
  testing::CollectingSink sink;
  REQUIRE_OK(archive->Emit(0, archive->size_bytes(), sink));

  SubprocessOptions options;
  options.argv = {"python3", STOWAGE_CANONICAL_TAR, store.path()};
  options.argv.insert(options.argv.end(), base_names.begin(), base_names.end());
  options.deadline = absl::Now() + absl::Seconds(60);
  const auto python = RunSubprocess(options);
  if (absl::IsNotFound(python.status())) {
    WARN("python3 is not installed: not compared with");
    return;
  }
  REQUIRE_OK(python);
  INFO(python->standard_error);
  REQUIRE(python->exit_code == 0);
  REQUIRE(python->standard_output.size() == sink.content.size());
  CHECK((python->standard_output == sink.content));
}

}  // namespace
}  // namespace stowage
