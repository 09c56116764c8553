#include "nix/store_path.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

const std::string kHash = "0123456789abcdfghijklmnpqrsvwxyz";

TEST_CASE("StorePath keeps hash and name", "[nix][store_path]") {
  const auto path = StorePath::Parse("/nix/store/" + kHash + "-Hello+x._?=-1");
  REQUIRE_OK(path);
  CHECK(path->hash() == kHash);
  CHECK(path->name() == "Hello+x._?=-1");
  CHECK(path->base_name() == kHash + "-Hello+x._?=-1");
  CHECK(path->ToString() == "/nix/store/" + kHash + "-Hello+x._?=-1");
  CHECK(StorePath::FromBaseName(path->base_name()) == path);
}

TEST_CASE("StorePath takes names of up to 211 characters and those with a leading dot",
          "[nix][store_path]") {
  const std::string name = GENERATE(std::string(211, 'n'), std::string("n"), std::string(".n"),
                                    std::string("..n"), std::string("..."));
  CHECK(StorePath::FromBaseName(kHash + "-" + name).ok());
}

TEST_CASE("StorePath rejects what Nix would not make", "[nix][store_path]") {
  const std::string base_name = GENERATE_REF(
      std::string(), std::string("-"), kHash, kHash + "-", kHash + "x-n", kHash.substr(1) + "-n",
      "e" + kHash.substr(1) + "-n", "A" + kHash.substr(1) + "-n",
      kHash + "-" + std::string(212, 'n'), kHash + "-a/b", kHash + "-a b", kHash + "-a\n",
      kHash + "-\xc3\xa4", kHash + "-.", kHash + "-..", kHash + "-.-a", kHash + "-..-a",
      kHash + std::string("-a\0b", 4));
  INFO(base_name);
  CHECK(absl::IsInvalidArgument(StorePath::FromBaseName(base_name).status()));
}

TEST_CASE("StorePath::Parse rejects paths elsewhere and below a store path", "[nix][store_path]") {
  const std::string path =
      GENERATE_REF(kHash + "-n", "/nix/" + kHash + "-n", "/nix/store" + kHash + "-n",
                   "/nix/store/" + kHash + "-n/bin", "//nix/store/" + kHash + "-n", std::string());
  INFO(path);
  CHECK(absl::IsInvalidArgument(StorePath::Parse(path).status()));
}

}  // namespace
}  // namespace stowage
