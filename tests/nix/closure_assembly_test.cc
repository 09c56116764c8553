#include "nix/closure_assembly.h"

#include <string>

#include "base/sha256.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

ListedObject Listed(char first, std::vector<uint32_t> references) {
  std::string base_name(32, '0');
  base_name[0] = first;
  return {*StorePath::FromBaseName(base_name + "-p"), Sha256(base_name),
          uint64_t{10} + static_cast<uint64_t>(first), std::move(references)};
}

TEST_CASE("AssembleClosure sorts by base name and renumbers references",
          "[nix][closure_assembly]") {
  const auto closure =
      AssembleClosure({Listed('c', {1, 0, 2}), Listed('b', {2, 2}), Listed('a', {})}, {0, 1, 0});
  REQUIRE_OK(closure);
  REQUIRE(closure->objects.size() == 3);
  CHECK(closure->objects[0].path.base_name()[0] == 'a');
  CHECK(closure->objects[2].nar_size_bytes == 10 + 'c');
  CHECK(closure->objects[0].references.empty());
  CHECK(closure->objects[1].references == std::vector<uint32_t>{0});
  CHECK(closure->objects[2].references == std::vector<uint32_t>{0, 1});
  CHECK(closure->roots == std::vector<uint32_t>{2, 1});
}

TEST_CASE("AssembleClosure refuses references that leave the closure", "[nix][closure_assembly]") {
  CHECK(absl::IsInternal(AssembleClosure({Listed('a', {1})}, {0}).status()));
  CHECK(absl::IsInternal(AssembleClosure({Listed('a', {})}, {1}).status()));
  CHECK(AssembleClosure({}, {})->objects.empty());
}

}  // namespace
}  // namespace stowage
