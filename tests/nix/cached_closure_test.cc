#include "nix/cached_closure.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/sha256.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

const StorePath kA = StorePath::FromBaseName("a0000000000000000000000000000000-a").value();
const StorePath kB = StorePath::FromBaseName("b0000000000000000000000000000000-b").value();

// SHA-256 of "".
constexpr char kHash[] = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

std::string Description(const std::string& references) {
  return absl::StrCat(R"("narHash":")", kHash, R"(","narSize":7,"references":[)", references,
                      R"(],"signatures":[]})");
}

std::string AsList() {
  return absl::StrCat(R"([{"path":"/nix/store/b0000000000000000000000000000000-b",)",
                      Description(""),
                      R"(,{"path":"/nix/store/a0000000000000000000000000000000-a",)",
                      Description(R"("/nix/store/b0000000000000000000000000000000-b",)"
                                  R"("/nix/store/a0000000000000000000000000000000-a")"),
                      "]");
}

std::string AsObject() {
  return absl::StrCat(R"({"/nix/store/a0000000000000000000000000000000-a":{)",
                      Description(R"("/nix/store/b0000000000000000000000000000000-b")"),
                      R"(,"/nix/store/b0000000000000000000000000000000-b":{)", Description(""),
                      "}");
}

TEST_CASE("ParsePathInfo reads what old and new versions of Nix print", "[nix][cached_closure]") {
  const std::string text = GENERATE(AsList(), AsObject());
  const auto closure = ParsePathInfo(text, {kB, kA});
  REQUIRE_OK(closure);
  REQUIRE(closure->objects.size() == 2);
  CHECK(closure->objects[0].path == kA);
  CHECK(closure->objects[0].nar_hash == Sha256(""));
  CHECK(closure->objects[0].nar_size_bytes == 7);
  CHECK(closure->objects[0].references == std::vector<uint32_t>{1});
  CHECK(closure->objects[1].references.empty());
  CHECK(closure->roots == std::vector<uint32_t>{1, 0});
}

TEST_CASE("ParsePathInfo refuses what is no closure", "[nix][cached_closure]") {
  const auto [from, to] = GENERATE(table<std::string, std::string>({
      {"sha256-", "sha512-"},
      {"47DEQ", "47DE"},
      {"\"narSize\":7", "\"narSize\":-7"},
      {"\"narSize\":7,", ""},
      {"\"references\":[]", "\"references\":null"},
      {"\"references\":[]", "\"references\":[7]"},
      {"\"references\":[]", "\"references\":[\"/nix/store/c0000000000000000000000000000000-c\"]"},
      {"/nix/store/a", "/nix/else/a"},
      {"b0000000000000000000000000000000-b", "a0000000000000000000000000000000-a"},
      {"[{", "{"},
  }));
  const std::string text = absl::StrReplaceAll(AsList(), {{from, to}});
  REQUIRE(text != AsList());
  CHECK(absl::IsInvalidArgument(ParsePathInfo(text, {kA}).status()));
}

TEST_CASE("ParsePathInfo refuses an answer about other paths", "[nix][cached_closure]") {
  CHECK(absl::IsInvalidArgument(ParsePathInfo("[]", {kA}).status()));
  CHECK(absl::IsInvalidArgument(ParsePathInfo("{}", {kA}).status()));
  // how Nix names a path that the store does not have
  CHECK(absl::IsInvalidArgument(
      ParsePathInfo(absl::StrCat("{\"", kA.ToString(), "\":null}"), {kA}).status()));
}

}  // namespace
}  // namespace stowage
