#include "plugin/overlay_redirect/arrange_lowers.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace stowage {
namespace {

using Paths = std::vector<std::string>;

TEST_CASE("ArrangeLowers puts skeletons to the bottom unless a layer below has a say in /nix",
          "[plugin][arrange_lowers]") {
  // "n..." are ordinary layers with something named nix, "s..." skeletons.
  const auto [given, want] = GENERATE(table<Paths, Paths>({
      {{"s1"}, {"CAP", "s1", "MASK", "NIX"}},
      {{"a", "s1"}, {"a", "CAP", "s1", "MASK", "NIX"}},
      {{"n", "s1"}, {"n", "CAP", "s1", "MASK", "NIX"}},
      {{"s1", "a"}, {"a", "CAP", "s1", "MASK", "NIX"}},
      {{"a", "s1", "b", "s2", "c"}, {"a", "b", "c", "CAP", "s1", "s2", "MASK", "NIX"}},
      {{"a", "s1", "n", "b"}, {"a", "CAP", "s1", "n", "b", "MASK", "NIX"}},
      {{"s1", "n", "s2"}, {"CAP", "s1", "n", "s2", "MASK", "NIX"}},
      {{"a", "s1", "n", "s2"}, {"a", "CAP", "s1", "n", "s2", "MASK", "NIX"}},
  }));
  std::vector<LowerDirectory> directories;
  for (const std::string& path : given) directories.push_back({path, path[0] == 's'});
  CHECK(ArrangeLowers(directories, {"CAP", "MASK", "NIX"},
                      [](const std::string& path) { return path[0] == 'n'; }) == want);
}

}  // namespace
}  // namespace stowage
