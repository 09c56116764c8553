#include "nix/similar_names.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("SimilarNames finds slips of the keyboard", "[nix][similar_names]") {
  const auto [name, want] = GENERATE(table<std::string, Names>({
      {"htpo", {"htop"}},
      {"hello", {"hello", "hallo"}},
      {"curll", {"curl"}},
      {"crl", {"curl"}},
      {"PYTHON3PACKAGE", {"python3Packages"}},
      {"xyz", {}},
      {"", {}},
  }));
  INFO(name);
  CHECK(SimilarNames(name, {"htop", "curl", "hello", "hallo", "python3Packages"}) == want);
}

TEST_CASE("SimilarNames gives three at most, nearest first", "[nix][similar_names]") {
  CHECK(SimilarNames("abcde", {"abcxy", "abcdz", "abcdy", "abcdx"}) ==
        Names{"abcdx", "abcdy", "abcdz"});
}

}  // namespace
}  // namespace stowage
