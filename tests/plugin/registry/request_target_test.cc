#include "plugin/registry/request_target.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("ParseRequestTarget finds endpoint, name and reference", "[registry]") {
  using E = RegistryEndpoint;
  const auto [target, endpoint, name, reference] =
      GENERATE(table<std::string, E, std::string, std::string>({
          {"/v2/", E::kPing, "", ""},
          {"/v2", E::kPingNoSlash, "", ""},
          {"/v2?ns=x", E::kPingNoSlash, "", ""},
          {"/v2/git/manifests/latest", E::kManifest, "git", "latest"},
          {"/v2/nix/shell/git/manifests/sha256:ab", E::kManifest, "nix/shell/git", "sha256:ab"},
          {"/v2/git/blobs/sha256%3Aab", E::kBlob, "git", "sha256:ab"},
          {"/v2/manifests/manifests/blobs", E::kManifest, "manifests", "blobs"},
          {"/v2/git/tags/list?n=1", E::kTags, "git", "list"},
          {"/v2/git/tags/other", E::kUnknown, "", ""},
          {"/v2/git/referrers/sha256:ab", E::kReferrers, "git", "sha256:ab"},
          {"/v2/git/manifests/", E::kManifest, "git", ""},
          {"/v2//manifests/x", E::kManifest, "", "x"},
          {"/v2//a/manifests/x", E::kManifest, "/a", "x"},
          {"/v2/a//b/manifests/x", E::kManifest, "a//b", "x"},
          {"/v2/_catalog", E::kUnknown, "", ""},
          {"/v2/git/blobs/uploads/", E::kUnknown, "", ""},
          {"/", E::kUnknown, "", ""},
          {"/v1/git/manifests/latest", E::kUnknown, "", ""},
          {"/v2x/git/manifests/latest", E::kUnknown, "", ""},
          {"http://host:5080/v2/git/manifests/latest", E::kManifest, "git", "latest"},
          {"HTTP://host/v2/", E::kPing, "", ""},
          {"http://host", E::kUnknown, "", ""},
      }));
  INFO(target);
  const auto parsed = ParseRequestTarget(target);
  REQUIRE_OK(parsed);
  CHECK(parsed->endpoint == endpoint);
  CHECK(parsed->name == name);
  CHECK(parsed->reference == reference);
}

TEST_CASE("ParseRequestTarget decodes the parameters it knows and ignores others", "[registry]") {
  const auto target = ParseRequestTarget(
      "/v2/git/tags/list?n=7&last=v1&ns=nix%3A0&ns=second&artifactType=a%2Fb+c&odd&=&x=%20");
  REQUIRE_OK(target);
  CHECK(target->page_size == "7");
  CHECK(target->last == "v1");
  CHECK(target->mirror_of == "nix:0");
  CHECK(target->artifact_type == "a/b c");
  CHECK_FALSE(ParseRequestTarget("/v2/git/tags/list")->page_size.has_value());
}

TEST_CASE("ParseRequestTarget refuses what cannot be decoded", "[registry]") {
  const std::string target =
      GENERATE("", "v2/", "*", "host:80", "/v2/a%/manifests/x", "/v2/a%4/manifests/x",
               "/v2/a%zz/manifests/x", "/v2/a%00/manifests/x", "/v2/a%0d%0a/manifests/x",
               "/v2/a%2Fb/manifests/x", "/v2/a/manifests/x?ns=%0a", "/v2/a/manifests/x?ns=%f");
  INFO(target);
  CHECK(absl::IsInvalidArgument(ParseRequestTarget(target).status()));
}

TEST_CASE("ValidateRepositoryName follows the grammar of the specification", "[registry]") {
  const auto [name, valid] = GENERATE(table<std::string, bool>({
      {"git", true},
      {"shell/git/htop", true},
      {"a.b_c__d-e---f", true},
      {"0", true},
      {std::string(255, 'a'), true},
      {"", false},
      {"/a", false},
      {"a/", false},
      {"a//b", false},
      {"Git", false},
      {"a___b", false},
      {"a..b", false},
      {"a.-b", false},
      {"-a", false},
      {"a-", false},
      {".", false},
      {"..", false},
      {"a b", false},
      {"a+b", false},
      {"\xc3\xa4", false},
      {std::string(256, 'a'), false},
  }));
  INFO(name);
  CHECK(ValidateRepositoryName(name).ok() == valid);
}

TEST_CASE("IsValidTag, IsValidMirrorHost and IsForeignDigest", "[registry]") {
  CHECK(IsValidTag("latest"));
  CHECK(IsValidTag("_1.2-x_Y"));
  CHECK(IsValidTag(std::string(128, 'a')));
  CHECK_FALSE(IsValidTag(std::string(129, 'a')));
  CHECK_FALSE(IsValidTag(""));
  CHECK_FALSE(IsValidTag(".a"));
  CHECK_FALSE(IsValidTag("v1+x"));
  CHECK(IsValidMirrorHost("docker.io"));
  CHECK(IsValidMirrorHost("[::1]:5080"));
  CHECK_FALSE(IsValidMirrorHost(""));
  CHECK_FALSE(IsValidMirrorHost("a b"));
  CHECK_FALSE(IsValidMirrorHost("a/b"));
  CHECK(IsForeignDigest("sha512:" + std::string(128, 'a')));
  CHECK(IsForeignDigest("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"));
  CHECK_FALSE(IsForeignDigest("sha256:" + std::string(64, 'a')));
  CHECK_FALSE(IsForeignDigest("sha256:zz"));
  CHECK_FALSE(IsForeignDigest("+:a"));
  CHECK_FALSE(IsForeignDigest("a:"));
  CHECK_FALSE(IsForeignDigest("a:b c"));
}

}  // namespace
}  // namespace stowage
