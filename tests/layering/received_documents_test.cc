#include "layering/received_documents.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/match.h"
#include "base/sha256.h"
#include "layering/image_documents.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using nlohmann::json;

StoreObject Object(char letter, const std::string& name, std::vector<uint32_t> references) {
  return {StorePath::FromBaseName(std::string(32, letter) + "-" + name).value(), Sha256(name), 100,
          std::move(references)};
}

const Closure kClosure = {
    {Object('0', "glibc", {}), Object('1', "bash", {0, 2}), Object('2', "ncurses", {0})}, {1}};
const std::vector<std::vector<uint32_t>> kLayers = {{0}, {1, 2}};

json ClosureJson() { return json::parse(EncodeClosureDocument(kClosure, kLayers).content); }

json ManifestJson() {
  ImageDescription image;
  image.architecture = "amd64";
  image.layers = {{Sha256("key"), Sha256("layer"), 4096, {"glibc"}, false},
                  {Sha256(""), Sha256("profile"), 2048, {}, true}};
  return json::parse(EncodeManifest(image, EncodeImageConfig(image).value(),
                                    EncodeClosureDocument(kClosure, kLayers))
                         .content);
}

TEST_CASE("ParseClosureDocument reads what EncodeClosureDocument writes",
          "[layering][received_documents]") {
  const Document document = EncodeClosureDocument(kClosure, kLayers);
  const auto received = ParseClosureDocument(document.content);
  REQUIRE_OK(received);
  CHECK(received->closure.roots.empty());
  CHECK(received->layers == kLayers);
  CHECK(EncodeClosureDocument(received->closure, received->layers).content == document.content);
}

TEST_CASE("ParseManifest reads what EncodeManifest writes", "[layering][received_documents]") {
  const std::string text = ManifestJson().dump();
  const auto received = ParseManifest(text);
  REQUIRE_OK(received);
  CHECK(received->digest == Sha256(text));
  CHECK(received->closure_digest == EncodeClosureDocument(kClosure, kLayers).digest);
  REQUIRE(received->layers.size() == 2);
  CHECK(received->layers[1].diff_id == Sha256("profile"));
  CHECK(received->layers[1].size_bytes == 2048);
}

TEST_CASE("ParseClosureDocument refuses what is not as it should be",
          "[layering][received_documents]") {
  // A JSON patch of the valid document (RFC 6902) and a word of the message.
  const auto [patch, word] = GENERATE(table<std::string, std::string>({
      {R"([{"op":"replace","path":"/version","value":2}])", "version"},
      {R"([{"op":"replace","path":"/version","value":"1"}])", "version"},
      {R"([{"op":"remove","path":"/storeDirectory"}])", "storeDirectory"},
      {R"([{"op":"replace","path":"/storeDirectory","value":"/"}])", "storeDirectory"},
      {R"([{"op":"replace","path":"/paths","value":{}}])", "paths"},
      {R"([{"op":"replace","path":"/paths","value":[]}])", "paths"},
      {R"([{"op":"replace","path":"/paths/0","value":7}])", "name"},
      {R"([{"op":"replace","path":"/paths/0/name","value":"../../etc"}])", "../../etc"},
      {R"([{"op":"copy","from":"/paths/0/name","path":"/paths/1/name"}])", "not sorted"},
      {R"([{"op":"copy","from":"/paths/0/name","path":"/paths/2/name"}])", "not sorted"},
      {R"([{"op":"replace","path":"/paths/0/narHash","value":"sha256:abc"}])", "abc"},
      {R"([{"op":"replace","path":"/paths/0/narHash","value":null}])", "narHash"},
      {R"([{"op":"replace","path":"/paths/0/narSize","value":-1}])", "narSize"},
      {R"([{"op":"replace","path":"/paths/0/narSize","value":1.5}])", "narSize"},
      {R"([{"op":"replace","path":"/paths/0/narSize","value":18446744073709551615}])", "narSize"},
      {R"([{"op":"replace","path":"/paths/0/references","value":[3]}])", "references"},
      {R"([{"op":"replace","path":"/paths/0/references","value":[-1]}])", "references"},
      {R"([{"op":"replace","path":"/paths/0/references","value":[0,0,0,0]}])", "references"},
      {R"([{"op":"replace","path":"/layers","value":[[0],[1],[2],[0]]}])", "layers"},
      {R"([{"op":"replace","path":"/layers/0","value":[4294967296]}])", "layers"},
      {R"([{"op":"replace","path":"/layers/0","value":"0"}])", "layers"},
  }));
  const auto received = ParseClosureDocument(ClosureJson().patch(json::parse(patch)).dump());
  INFO(received.status());
  CHECK(absl::IsInvalidArgument(received.status()));
  CHECK(absl::StrContains(received.status().message(), word));
}

TEST_CASE("ParseManifest refuses what is not as it should be", "[layering][received_documents]") {
  const auto [patch, word] = GENERATE(table<std::string, std::string>({
      {R"([{"op":"remove","path":"/mediaType"}])", "mediaType"},
      {R"([{"op":"remove","path":"/annotations"}])", "io.stowage.closure"},
      {R"([{"op":"replace","path":"/annotations/io.stowage.closure","value":[]}])",
       "io.stowage.closure"},
      {R"([{"op":"replace","path":"/config","value":[]}])", "digest"},
      {R"([{"op":"replace","path":"/layers","value":[]}])", "layers"},
      {R"([{"op":"replace","path":"/layers/1/digest","value":"sha512:00"}])", "sha512:00"},
      {R"([{"op":"replace","path":"/layers/1/size","value":9223372036854775808}])", "size"},
      {R"([{"op":"remove","path":"/layers/0/size"}])", "size"},
  }));
  const auto received = ParseManifest(ManifestJson().patch(json::parse(patch)).dump());
  INFO(received.status());
  CHECK(absl::IsInvalidArgument(received.status()));
  CHECK(absl::StrContains(received.status().message(), word));
}

TEST_CASE("ParseManifest refuses one layer twice", "[layering][received_documents]") {
  json manifest = ManifestJson();
  manifest["layers"][0]["digest"] = manifest["layers"][1]["digest"];
  CHECK(absl::StrContains(ParseManifest(manifest.dump()).status().message(), "twice"));
}

TEST_CASE("ParseManifest tells an index from a manifest", "[layering][received_documents]") {
  CHECK(absl::IsFailedPrecondition(ParseManifest(R"({"manifests":[]})").status()));
}

TEST_CASE("Received documents have bounds of length, count and depth",
          "[layering][received_documents]") {
  CHECK(
      absl::IsInvalidArgument(ParseManifest("{}" + std::string(kMaxManifestBytes, ' ')).status()));
  CHECK(absl::IsInvalidArgument(
      ParseClosureDocument("{}" + std::string(kMaxClosureDocumentBytes, ' ')).status()));
  for (const char* open : {"[", "{\"a\":"}) {
    std::string deep = "{\"layers\":";
    while (deep.size() < kMaxManifestBytes / 2) deep += open;
    CHECK(absl::IsInvalidArgument(ParseManifest(deep).status()));
  }
  const std::string nested =
      "{\"layers\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
  CHECK(absl::StrContains(ParseManifest(nested).status().message(), "levels"));
  CHECK(absl::StrContains(ParseClosureDocument(nested).status().message(), "levels"));
  std::string wide = "{\"paths\":[[]";
  while (wide.size() < kMaxClosureDocumentBytes - 10) wide += ",[]";
  CHECK(absl::StrContains(ParseClosureDocument(wide + "]}").status().message(), "values"));
  json many = ClosureJson();
  many["paths"] = json::array();
  for (size_t i = 0; i <= kMaxClosurePaths; ++i) many["paths"].push_back(0);
  CHECK(absl::StrContains(ParseClosureDocument(many.dump()).status().message(), "paths"));
}

}  // namespace
}  // namespace stowage
