#include "layering/image_documents.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

Digest Filled(uint8_t byte) {
  Digest::Bytes bytes;
  bytes.fill(byte);
  return Digest(bytes);
}

// 64 hexadecimal digits, as in Filled(0x11).hex().
std::string Hex(char digit) { return std::string(64, digit); }

ImageLayer StoreLayer(uint8_t byte, std::vector<std::string> package_names) {
  return {.layer_key = Filled(static_cast<uint8_t>(byte + 0x11)),
          .diff_id = Filled(byte),
          .size_bytes = 1024,
          .package_names = std::move(package_names),
          .is_profile = false};
}

ImageDescription ImageOfLayers(std::vector<ImageLayer> layers) {
  ImageDescription image;
  image.architecture = "amd64";
  image.layers = std::move(layers);
  return image;
}

ImageDescription TestImage() {
  ImageLayer profile = StoreLayer(0x33, {"bash-5.2", "git-2.39"});
  profile.is_profile = true;
  profile.size_bytes = uint64_t{1} << 40;
  return {.architecture = "arm64",
          .layers = {StoreLayer(0x11, {"glibc-2.36", "bash-5.2"}), profile},
          .command = {"bash"},
          .environment = {"PATH=/bin", "A=1"},
          .labels = {{"org.opencontainers.image.revision", "abc"},
                     {"org.opencontainers.image.ref.name", "nix/shell:latest"}}};
}

StoreObject Object(char hash, const std::string& name, uint64_t nar_size_bytes,
                   std::vector<uint32_t> references) {
  return {StorePath::FromBaseName(absl::StrCat(std::string(32, hash), "-", name)).value(),
          Filled(0x44), nar_size_bytes, std::move(references)};
}

Closure TestClosure() {
  return {{Object('0', "glibc-2.36", 30000000, {}), Object('1', "bash-5.2", 7000000, {0, 2}),
           Object('2', "ncurses-6.4", 4000000, {0})},
          {1}};
}

const std::vector<std::vector<uint32_t>> kTestLayers = {{0}, {2, 1}};

void CheckDocument(const Document& document, absl::string_view media_type,
                   const std::string& content) {
  CHECK(document.content == content);
  CHECK(document.media_type == media_type);
  CHECK(document.digest == Sha256(content));
}

TEST_CASE("EncodeImageConfig writes exactly these bytes", "[layering][image_documents]") {
  const auto config = EncodeImageConfig(TestImage());
  REQUIRE_OK(config);
  CheckDocument(
      *config, "application/vnd.oci.image.config.v1+json",
      R"({"architecture":"arm64",)"
      R"("config":{"Cmd":["bash"],"Env":["PATH=/bin","A=1"],)"
      R"("Labels":{"org.opencontainers.image.ref.name":"nix/shell:latest",)"
      R"("org.opencontainers.image.revision":"abc"}},)"
      R"("created":"1970-01-01T00:00:01Z",)"
      R"("history":[{"created":"1970-01-01T00:00:01Z","created_by":"stowage: glibc-2.36 bash-5.2"},)"
      R"({"created":"1970-01-01T00:00:01Z","created_by":"stowage profile: bash-5.2 git-2.39"}],)"
      R"("os":"linux",)"
      R"("rootfs":{"diff_ids":["sha256:)" +
          Hex('1') + R"(","sha256:)" + Hex('3') + R"("],"type":"layers"}})");
}

TEST_CASE("EncodeImageConfig leaves out what is empty", "[layering][image_documents]") {
  const auto config = EncodeImageConfig(ImageOfLayers({}));
  REQUIRE_OK(config);
  CHECK(config->content ==
        R"({"architecture":"amd64","config":{},"created":"1970-01-01T00:00:01Z","history":[],)"
        R"("os":"linux","rootfs":{"diff_ids":[],"type":"layers"}})");
}

TEST_CASE("A label alone makes another image", "[layering][image_documents]") {
  ImageDescription other = TestImage();
  other.labels["org.opencontainers.image.ref.name"] = "nix/shell:1";
  CHECK(EncodeImageConfig(TestImage())->digest != EncodeImageConfig(other)->digest);
}

TEST_CASE("EncodeImageConfig refuses what is not UTF-8", "[layering][image_documents]") {
  ImageDescription image = TestImage();
  SECTION("command") { image.command = {"caf\xe9"}; }
  SECTION("environment") { image.environment = {"A=\xff"}; }
  SECTION("label") { image.labels["a"] = "\xc3"; }
  SECTION("label's name") { image.labels["\xc3\x28"] = "a"; }
  SECTION("architecture") { image.architecture = "\x80"; }
  const auto config = EncodeImageConfig(image);
  CHECK(config.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(absl::StrContains(config.status().message(),
                          "encode application/vnd.oci.image.config.v1+json: a text is not UTF-8"));
}

TEST_CASE("Other text than ASCII stands in the config as it is", "[layering][image_documents]") {
  ImageDescription image = TestImage();
  image.command = {"caf\xc3\xa9", "a\"\n\x01/"};
  CHECK(absl::StrContains(EncodeImageConfig(image)->content,
                          "\"Cmd\":[\"caf\xc3\xa9\",\"a\\\"\\n\\u0001/\"]"));
}

TEST_CASE("A long history line counts the names it leaves out", "[layering][image_documents]") {
  std::vector<std::string> names;
  for (int i = 100; i < 400; ++i) names.push_back(absl::StrCat("package-", i));
  ImageDescription image = ImageOfLayers({StoreLayer(0x11, names)});
  const auto config = nlohmann::json::parse(EncodeImageConfig(image)->content);
  const std::string line = config["history"][0]["created_by"];
  CHECK(absl::StartsWith(line, "stowage: package-100 package-101 "));
  CHECK(absl::EndsWith(line, " package-115 and 284 more"));

  SECTION("the first name always stands") {
    image.layers = {StoreLayer(0x11, {std::string(211, 'x'), "y"})};
    CHECK(absl::StrContains(EncodeImageConfig(image)->content,
                            "stowage: " + std::string(211, 'x') + " and 1 more\""));
  }
}

TEST_CASE("A layer without package names has a history line", "[layering][image_documents]") {
  ImageLayer layer = StoreLayer(0x11, {});
  layer.is_profile = true;
  CHECK(absl::StrContains(EncodeImageConfig(ImageOfLayers({layer}))->content,
                          R"("created_by":"stowage profile"})"));
}

TEST_CASE("EncodeManifest writes exactly these bytes", "[layering][image_documents]") {
  const Document config = {Filled(0x55), std::string(kConfigMediaType), "config"};
  const Document closure = {Filled(0x66), std::string(kClosureMediaType), "closure document"};
  CheckDocument(
      EncodeManifest(TestImage(), config, closure), "application/vnd.oci.image.manifest.v1+json",
      R"({"annotations":{"io.stowage.closure":"sha256:)" + Hex('6') + R"("},)" +
          R"("config":{"digest":"sha256:)" + Hex('5') +
          R"(","mediaType":"application/vnd.oci.image.config.v1+json","size":6},)" +
          R"("layers":[{"annotations":{"containerd.io/snapshot/stowage.layer":")" + Hex('2') +
          R"("},"digest":"sha256:)" + Hex('1') +
          R"(","mediaType":"application/vnd.oci.image.layer.v1.tar","size":1024},)" +
          R"({"digest":"sha256:)" + Hex('3') +
          R"(","mediaType":"application/vnd.oci.image.layer.v1.tar","size":1099511627776}],)" +
          R"("mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2})");
}

TEST_CASE("EncodeClosureDocument writes exactly these bytes", "[layering][image_documents]") {
  const auto path = [](char hash, const std::string& rest) {
    return R"({"name":")" + std::string(32, hash) + "-" + rest + "}";
  };
  const std::string nar_hash = R"(","narHash":"sha256:)" + Hex('4') + R"(","narSize":)";
  CheckDocument(EncodeClosureDocument(TestClosure(), kTestLayers),
                "application/vnd.stowage.closure.v1+json",
                R"({"layers":[[0],[1,2]],"paths":[)" +
                    path('0', "glibc-2.36" + nar_hash + R"(30000000,"references":[])") + "," +
                    path('1', "bash-5.2" + nar_hash + R"(7000000,"references":[0,2])") + "," +
                    path('2', "ncurses-6.4" + nar_hash + R"(4000000,"references":[0])") +
                    R"(],"storeDirectory":"/nix/store","version":1})");
}

TEST_CASE("EncodeClosureReferrer writes exactly these bytes", "[layering][image_documents]") {
  const Document manifest = {Filled(0x77), std::string(kManifestMediaType), "the manifest"};
  const Document closure = {Filled(0x66), std::string(kClosureMediaType), "closure document"};
  CheckDocument(
      EncodeClosureReferrer(manifest, closure), "application/vnd.oci.image.manifest.v1+json",
      R"({"artifactType":"application/vnd.stowage.closure.v1+json",)"
      R"("config":{"digest":)"
      R"("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",)"
      R"("mediaType":"application/vnd.oci.empty.v1+json","size":2},)"
      R"("layers":[{"digest":"sha256:)" +
          Hex('6') + R"(","mediaType":"application/vnd.stowage.closure.v1+json","size":16}],)" +
          R"("mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,)" +
          R"("subject":{"digest":"sha256:)" + Hex('7') +
          R"(","mediaType":"application/vnd.oci.image.manifest.v1+json","size":12}})");
}

TEST_CASE("EmptyDocument is the blob of the empty descriptor", "[layering][image_documents]") {
  CheckDocument(EmptyDocument(), "application/vnd.oci.empty.v1+json", "{}");
  CHECK(EmptyDocument().digest.hex() ==
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

TEST_CASE("The digests of a whole image have not changed", "[layering][image_documents]") {
  const Document closure = EncodeClosureDocument(TestClosure(), kTestLayers);
  const Document config = EncodeImageConfig(TestImage()).value();
  const Document manifest = EncodeManifest(TestImage(), config, closure);
  CHECK(closure.digest.hex() == "21c70ad56df5d2b165b4fc10ac476dc013ba55745c19084730577b750af10c44");
  CHECK(config.digest.hex() == "46ada453b5b889e7a0f88367f68b416fa7556431f3a827096c815ccb9238de87");
  CHECK(manifest.digest.hex() ==
        "5e104347cdc7a2dad392e5cf106a1ec7f70539ec30a6ee7de4998de990ea24d4");
  CHECK(EncodeClosureReferrer(manifest, closure).digest.hex() ==
        "a872cfbd1f98f8555e4070d05bc3a4f492c64c6ad0556f8ecefa42ab2b113841");
}

TEST_CASE("The manifest of a closure of 1,000 paths stays small", "[layering][image_documents]") {
  ImageDescription image = ImageOfLayers({});
  for (uint8_t i = 0; i < 95; ++i) {
    image.layers.push_back(StoreLayer(i, std::vector<std::string>(11, "some-package-1.2.3")));
  }
  const Document closure = EncodeClosureDocument({}, {});
  const Document config = EncodeImageConfig(image).value();
  CHECK(EncodeManifest(image, config, closure).content.size() < 32 * 1024);
}

TEST_CASE("ChainIds follows the image specification", "[layering][image_documents]") {
  const std::vector<Digest> diff_ids = {Filled(0x11), Filled(0x22), Filled(0x33)};
  const std::vector<Digest> chain_ids = ChainIds(diff_ids);
  REQUIRE(chain_ids.size() == 3);
  CHECK(chain_ids[0] == diff_ids[0]);
  CHECK(chain_ids[1].hex() == "9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5");
  CHECK(chain_ids[2].hex() == "50127c0d6b338be78246434b4bce23ecf75e505158ea0bbd15effeb162fbf3ec");
  CHECK(ChainIds({}).empty());
}

}  // namespace
}  // namespace stowage
