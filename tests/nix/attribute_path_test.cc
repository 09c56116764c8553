#include "nix/attribute_path.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using Parts = std::vector<std::string>;

// distribution-spec: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*. Not by <regex>, for which g++ 12 warns
// under sanitizers.
bool IsLegalPart(absl::string_view text) {
  bool after_plain = false;
  while (!text.empty()) {
    const size_t plain =
        std::min(text.size(), text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"));
    if (plain > 0) {
      after_plain = true;
      text.remove_prefix(plain);
      continue;
    }
    const absl::string_view run = text.substr(0, text.find_first_not_of("._-"));
    const bool allowed = run == "." || run == "_" || run == "__" ||
                         (!run.empty() && run.find_first_not_of('-') == absl::string_view::npos);
    if (!after_plain || !allowed) return false;
    after_plain = false;
    text.remove_prefix(run.size());
  }
  return after_plain;
}

TEST_CASE("DecodeAttributePath splits at dots and decodes escapes", "[nix][attribute_path]") {
  const auto [name, want] = GENERATE(table<std::string, Parts>({
      {"git", {"git"}},
      {"python3packages.requests", {"python3packages", "requests"}},
      {"bashInteractive", {"bashInteractive"}},
      {"libstdc--x2b--x2b", {"libstdc++"}},
      {"libstdc--x2B--x2B", {"libstdc++"}},
      {"nodepackages.x--x40angular--x2fcli", {"nodepackages", "@angular/cli"}},
      {"nodepackages.socket--x2eio", {"nodepackages", "socket.io"}},
      {"x--x53ome--x54ool", {"SomeTool"}},
      {"x--x78--x2b", {"x+"}},
      {"a--x", {"a--x"}},
      {"a--x2", {"a--x2"}},
      {"a--xg0", {"a--xg0"}},
      {"a-x2b", {"a-x2b"}},
      {"x--xyz", {"x--xyz"}},
  }));
  const auto parts = DecodeAttributePath(name);
  REQUIRE_OK(parts);
  CHECK(*parts == want);
}

TEST_CASE("DecodeAttributePath rejects empty parts and escapes of invisible characters",
          "[nix][attribute_path]") {
  const std::string name =
      GENERATE("", ".", "a.", ".a", "a..b", "a--x00", "a--x20", "a--x7f", "a--xff");
  INFO(name);
  CHECK(absl::IsInvalidArgument(DecodeAttributePath(name).status()));
}

TEST_CASE("EncodeAttributePath writes legal parts of OCI names that decode to the same",
          "[nix][attribute_path]") {
  const auto [parts, want] = GENERATE(table<Parts, std::string>({
      {{"git"}, "git"},
      {{"a", "b"}, "a.b"},
      {{"a_b", "a__b", "a-b", "a---b"}, "a_b.a__b.a-b.a---b"},
      {{"libstdc++"}, "libstdc--x2b--x2b"},
      {{"SomeTool"}, "x--x53ome--x54ool"},
      {{"_1password"}, "x--x5f1password"},
      {{"foldl'"}, "foldl--x27"},
      {{"a_"}, "a--x5f"},
      {{"a___b"}, "a--x5f__b"},
      {{"a_-b"}, "a--x5f-b"},
      {{"a-+"}, "a--x2d--x2b"},
      {{"+-a"}, "x--x2b-a"},
      {{"x+"}, "x--x78--x2b"},
      {{"x--x2b"}, "x--x78--x2d-x2b"},
      {{"a--xyz"}, "a--x2d-xyz"},
      {{"socket.io"}, "socket--x2eio"},
      {{"shell"}, "x--x73hell"},
      {{"arm64"}, "x--x61rm64"},
      {{"shell", "x"}, "shell.x"},
      {{"-"}, "x--x2d"},
  }));
  INFO(want);
  CHECK(EncodeAttributePath(parts) == want);
  const auto decoded = DecodeAttributePath(EncodeAttributePath(parts));
  REQUIRE_OK(decoded);
  CHECK(*decoded == parts);
}

TEST_CASE("EncodeAttributePath round-trips every short name of awkward characters",
          "[nix][attribute_path]") {
  const std::string alphabet = "x2-_.+A";
  std::vector<std::string> names = {""};
  for (size_t begin = 0, length = 0; length < 5; ++length) {
    const size_t end = names.size();
    for (; begin < end; ++begin)
      for (const char c : alphabet) names.push_back(names[begin] + c);
  }
  size_t wrong = 0;
  for (size_t i = 1; i < names.size(); ++i) {
    const std::string encoded = EncodeAttributePath({names[i]});
    const auto decoded = DecodeAttributePath(encoded);
    if (!IsLegalPart(encoded) || !decoded.ok() || *decoded != Parts{names[i]}) {
      ++wrong;
      UNSCOPED_INFO(names[i] << " -> " << encoded);
    }
  }
  CHECK(names.size() == 1 + 7 + 49 + 343 + 2401 + 16807);
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace stowage
