#include "nix/image_reference.h"

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using Packages = std::vector<std::string>;

TEST_CASE("ImageReference brings every spelling to one canonical name", "[nix][image_reference]") {
  const auto [text, name, tag] = GENERATE(table<std::string, std::string, std::string>({
      {"git", "git", "latest"},
      {"nix/git", "git", "latest"},
      {"nix.local/git", "git", "latest"},
      {"docker.io/nix/git:v1", "git", "v1"},
      {"nix.local/nix/shell/git", "shell/git", "latest"},
      {"nix/shell/htop/git:nixos-24.11", "shell/git/htop", "nixos-24.11"},
      {"git/htop/git/git", "git/htop", "latest"},
      {"Nix/Shell/Git:V1", "shell/git", "V1"},
      {"NIX.LOCAL/git", "git", "latest"},
      {"shell", "shell", "latest"},
      {"nix/shell/shell", "shell", "latest"},
      {"shell/arm64/git", "arm64/shell/git", "latest"},
      {"arm64/shell/arm64/git", "arm64/shell/git", "latest"},
      {"amd64/git", "git", "latest"},
      {"amd64/shell", "shell", "latest"},
      {"python3Packages.Requests", "python3packages.requests", "latest"},
      {"nix", "nix", "latest"},
      {"nix/nix", "nix", "latest"},
      {"nix/nix/zlib", "zlib/nix", "latest"},
      {"a/nix/b", "a/b/nix", "latest"},
      {"libstdc--x2b--x2b", "libstdc--x2b--x2b", "latest"},
      {"libstdc--x2B--X2b", "libstdc--x2b--x2b", "latest"},
      {"a---x2b", "a--x2d--x2b", "latest"},
      {"x--x73hell/git", "git/x--x73hell", "latest"},
      {"x--x67it", "git", "latest"},
      {"a_b/a__b/a-b/a--b", "a--b/a-b/a__b/a_b", "latest"},
      {"git:_a.b-C", "git", "_a.b-C"},
      {"1password", "1password", "latest"},
  }));
  INFO(text);
  const auto reference = ImageReference::Parse(text);
  REQUIRE_OK(reference);
  CHECK(reference->name() == name);
  CHECK(reference->tag() == tag);
  CHECK(reference->ToString() == "nix/" + name + ":" + tag);
  CHECK(ImageReference::FromRepository(name, tag) == reference);
  CHECK(ImageReference::FromRepository("nix/" + name, tag) == reference);
  CHECK(ImageReference::Parse(reference->ToString()) == reference);
}

TEST_CASE("ImageReference knows system, shell and packages", "[nix][image_reference]") {
  const auto arm = ImageReference::Parse("nix/arm64/shell/htop/python3Packages.requests");
  REQUIRE_OK(arm);
  CHECK(arm->system() == "aarch64-linux");
  CHECK(arm->architecture() == "arm64");
  CHECK(arm->shell());
  CHECK(arm->packages() == Packages{"htop", "python3packages.requests"});

  const auto amd = ImageReference::Parse("nix/amd64/git");
  REQUIRE_OK(amd);
  CHECK(amd->system() == "x86_64-linux");
  CHECK(amd->architecture() == "amd64");
  CHECK_FALSE(amd->shell());
  CHECK(amd->packages() == Packages{"git"});

  const auto shell = ImageReference::Parse("shell");
  REQUIRE_OK(shell);
  CHECK(shell->packages().empty());
}

TEST_CASE("ImageReference says what is wrong with a bad name", "[nix][image_reference]") {
  const auto [text, reason] = GENERATE(table<std::string, std::string>({
      {"", "a part is empty"},
      {"nix/", "a part is empty"},
      {"/", "a part is empty"},
      {"nix.local/", "a part is empty"},
      {"nix//git", "a part is empty"},
      {"nix/git/", "a part is empty"},
      {"/git", "a part is empty"},
      {":v1", "a part is empty"},
      {"nix/arm64", "names no package"},
      {"nix/amd64", "names no package"},
      {"amd64/arm64/git", "amd64 and arm64 exclude each other"},
      {"git/shell", "'shell': a meta-package must stand before all packages, but follows 'git'"},
      {"git/arm64", "'arm64': a meta-package must stand before"},
      {"c++", "'c++': '+' is not allowed in image names; write --x2b for it"},
      {"foldl'", "write --x27 for it"},
      {"a b", "spaces, control and non-ASCII"},
      {"a\tb", "'a\\tb': spaces, control"},
      {"\xc3\xa4", "'\\xc3\\xa4': spaces, control and non-ASCII"},
      {"_1password", "must begin and end with a letter or digit"},
      {"git-", "must begin and end with a letter or digit"},
      {".git", "must begin and end with a letter or digit"},
      {"git.", "must begin and end with a letter or digit"},
      {"..", "must begin and end with a letter or digit"},
      {"a..b", "'..' is not allowed between"},
      {"a___b", "'___' is not allowed between"},
      {"a.-b", "'.-' is not allowed between"},
      {"a-_b", "'-_' is not allowed between"},
      {"git@sha256:abc", "digests (@sha256:...) are not supported"},
      {"git:v1@sha256:abc", "digests (@sha256:...) are not supported"},
      {"localhost:5000/git", "of hosts, nix.local and docker.io are known"},
      {"docker://git", "'docker:': ':' is allowed before the tag only"},
      {"git:a:b", "'git:a': ':' is allowed before the tag only"},
      {"git:", "tag '': is empty"},
      {"git:.a", "tag '.a': must begin with"},
      {"git:-a", "tag '-a': must begin with"},
      {"git:v1+x", "tag 'v1+x': has a character outside"},
      {"git:a b", "tag 'a b': has a character outside"},
      {"a--x20", "escape '--x20' is no visible ASCII character"},
      {"a--xff", "escape '--xff' is no visible ASCII character"},
  }));
  INFO(text);
  const absl::Status status = ImageReference::Parse(text).status();
  CHECK(absl::IsInvalidArgument(status));
  INFO(status.message());
  CHECK(absl::StrContains(status.message(), reason));
}

TEST_CASE("ImageReference rejects a NUL in name and tag", "[nix][image_reference]") {
  CHECK_FALSE(ImageReference::Parse(std::string("a\0b", 3)).ok());
  CHECK_FALSE(ImageReference::Parse(std::string("a:b\0", 4)).ok());
}

TEST_CASE("ImageReference keeps OCI's limits of length", "[nix][image_reference]") {
  CHECK(ImageReference::Parse(std::string(241, 'a')).ok());
  CHECK(ImageReference::Parse("docker.io/nix/" + std::string(241, 'a')).ok());
  CHECK_FALSE(ImageReference::Parse(std::string(242, 'a')).ok());
  CHECK(ImageReference::Parse("git:" + std::string(128, 'a')).ok());
  CHECK_FALSE(ImageReference::Parse("git:" + std::string(129, 'a')).ok());
  // Four characters longer in canonical form: the hyphen before the escape becomes one itself.
  CHECK(ImageReference::Parse(std::string(231, 'a') + "---x2b").ok());
  CHECK_FALSE(ImageReference::Parse(std::string(232, 'a') + "---x2b").ok());
}

}  // namespace
}  // namespace stowage
