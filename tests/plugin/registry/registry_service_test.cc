// RegistryService behind a real server: the pull half of the distribution-spec, row by row.

#include "plugin/registry/registry_service.h"

#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "plugin/registry/http_server.h"
#include "tests/plugin/registry/decode_body.h"
#include "tests/plugin/registry/memory_image_source.h"
#include "tests/plugin/registry/raw_http_client.h"
#include "tests/plugin/registry/test_layer.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::MemoryImageSource;
using testing::RawHttpClient;
using testing::RawHttpResponse;
using Json = nlohmann::json;

constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";
const std::string kUnknownDigest = "sha256:" + std::string(64, '0');

class Registry {
 public:
  explicit Registry(int max_encoders = 16)
      : manifest(MemoryImageSource::MakeDocument(kManifestType,
                                                 R"({"schemaVersion":2,"annotations":{"k":"v"}})")),
        config(MemoryImageSource::MakeDocument("application/json", "{\"config\":true}")) {
    for (const char* tag : {"a", "b", "c", "latest"}) source.AddManifest("nix/git", tag, manifest);
    source.AddError("broken", "latest",
                    absl::FailedPreconditionError("nix: build of htop failed: exit 2\nlog\nmore"));
    source.AddError("away", "latest", absl::UnavailableError("channel cannot be reached"));
    source.AddError("odd", "latest", absl::InvalidArgumentError("two packages match"));
    source.AddSlow("slow", "latest");
    source.AddBlob(config->digest, config);
    source.AddBlob(layer.digest(), layer.archive());
    service_ = std::make_unique<RegistryService>(source, RegistryServiceOptions{max_encoders});
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    auto server = HttpServer::Start(options, *service_);
    REQUIRE_OK(server);
    server_ = *std::move(server);
  }

  uint16_t port() const { return server_->port(); }
  std::string layer_target() const { return "/v2/nix/git/blobs/" + layer.digest().ToString(); }

  const testing::TestLayer layer;
  MemoryImageSource source;
  const DocumentPointer manifest;
  const DocumentPointer config;

 private:
  std::unique_ptr<RegistryService> service_;
  std::unique_ptr<HttpServer> server_;
};

std::string CodeOf(const RawHttpResponse& response) {
  CHECK(response.headers.at("content-type") == "application/json");
  return Json::parse(response.body)["errors"][0]["code"];
}

TEST_CASE("Registry answers the version check", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const RawHttpResponse ping = client.Get("/v2/");
  CHECK(ping.status == 200);
  CHECK(ping.body == "{}");
  CHECK(ping.headers.at("docker-distribution-api-version") == "registry/2.0");
  CHECK(client.Request("HEAD", "/v2/").status == 200);
  const RawHttpResponse moved = client.Get("/v2");
  CHECK(moved.status == 301);
  CHECK(moved.headers.at("location") == "/v2/");
}

TEST_CASE("Registry serves a manifest by tag and by digest, HEAD like GET", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const std::string digest = registry.manifest->digest.ToString();
  const std::string target =
      "/v2/nix/git/manifests/" + GENERATE_COPY(std::string("latest"), digest);
  RawHttpResponse get = client.Get(target, "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n");
  CHECK(get.status == 200);
  CHECK(get.body == registry.manifest->content);
  CHECK(get.headers.at("content-type") == kManifestType);
  CHECK(get.headers.at("docker-content-digest") == digest);
  CHECK(get.headers.at("etag") == "\"" + digest + "\"");
  CHECK(get.headers.count("content-encoding") == 0);
  RawHttpResponse head = client.Request("HEAD", target);
  CHECK(head.status == 200);
  get.headers.erase("date");
  head.headers.erase("date");
  CHECK(head.headers == get.headers);
  const RawHttpResponse same = client.Get(target, "If-None-Match: \"" + digest + "\"\r\n");
  CHECK(same.status == 304);
  CHECK(same.headers.count("content-length") == 0);
  CHECK(client.Get(target, "If-None-Match: \"other\"\r\n").status == 200);
}

TEST_CASE("Registry serves the OCI manifest whatever Accept says", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const std::string accept = GENERATE(
      "", "Accept: */*\r\n", "Accept: application/vnd.docker.distribution.manifest.v2+json\r\n",
      "Accept: application/json\r\nAccept: application/vnd.oci.image.index.v1+json\r\n");
  CHECK(client.Get("/v2/nix/git/manifests/latest", accept).headers.at("content-type") ==
        kManifestType);
}

TEST_CASE("Registry reports failures with status, code and reason phrase", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const auto [target, status, code,
              reason] = GENERATE(table<std::string, int, std::string, std::string>({
      {"/v2/nothing/manifests/latest", 404, "MANIFEST_UNKNOWN", "no package nothing in latest"},
      {"/v2/nix/git/manifests/v9", 404, "MANIFEST_UNKNOWN", "no package nix/git in v9"},
      {"/v2/nix/git/manifests/v1+x", 404, "MANIFEST_UNKNOWN", "nix/git:v1+x has no valid tag"},
      {"/v2/nix/git/manifests/" + kUnknownDigest, 404, "MANIFEST_UNKNOWN",
       "no manifest " + kUnknownDigest},
      {"/v2/nix/git/manifests/sha512:abcd", 404, "MANIFEST_UNKNOWN",
       "sha512:abcd is unknown: digests here are sha256"},
      {"/v2/nix/git/manifests/sha256:zz", 400, "DIGEST_INVALID", ""},
      {"/v2/nix/git/blobs/sha256:zz", 400, "DIGEST_INVALID", ""},
      {"/v2/nix/git/blobs/junk", 400, "DIGEST_INVALID", ""},
      {"/v2/nix/git/referrers/sha256:zz", 400, "DIGEST_INVALID", ""},
      {"/v2/nix/git/blobs/" + kUnknownDigest, 404, "BLOB_UNKNOWN", ""},
      {"/v2/Nix/git/manifests/latest", 400, "NAME_INVALID",
       "repository name Nix/git: component \"Nix\" has upper case; names are lower case"},
      {"/v2/a___b/blobs/" + kUnknownDigest, 400, "NAME_INVALID", ""},
      {"/v2/a%00/tags/list", 400, "NAME_INVALID", "request target has a control character"},
      {"/v2/git/manifests/x?ns=a%2Fb", 400, "NAME_INVALID", "ns=a/b is not a host"},
      {"/v2/nothing/tags/list", 404, "NAME_UNKNOWN", "no repository nothing"},
      {"/v2/nix/git/tags/list?n=-1", 400, "UNSUPPORTED", "n=-1 is not a number of tags"},
      {"/v2/broken/manifests/latest", 422, "MANIFEST_INVALID", "nix: build of htop failed: exit 2"},
      {"/v2/away/manifests/latest", 503, "UNAVAILABLE", "channel cannot be reached"},
      {"/v2/odd/manifests/latest", 400, "NAME_INVALID", "two packages match"},
      {"/v2/_catalog", 404, "UNSUPPORTED", "no such endpoint"},
      {"/favicon.ico", 404, "UNSUPPORTED", "no such endpoint"},
  }));
  INFO(target);
  const RawHttpResponse response = client.Get(target);
  CHECK(response.status == status);
  CHECK(CodeOf(response) == code);
  CHECK_FALSE(response.reason.empty());
  if (!reason.empty()) CHECK(response.reason == reason);
  const RawHttpResponse head = client.Request("HEAD", target);
  CHECK(head.status == status);
  CHECK(head.reason == response.reason);
  CHECK(head.headers.at("content-type") == "application/json");
}

TEST_CASE("Registry refuses writes with Allow", "[registry]") {
  Registry registry;
  const std::string method = GENERATE("POST", "PUT", "PATCH", "DELETE", "get");
  const std::string target =
      GENERATE("/v2/nix/git/blobs/uploads/", "/v2/nix/git/manifests/latest", "/v2/");
  RawHttpClient client(registry.port());
  const RawHttpResponse response = client.Request(method, target);
  CHECK(response.status == 405);
  CHECK(response.headers.at("allow") == "GET, HEAD");
  CHECK(CodeOf(response) == "UNSUPPORTED");
}

TEST_CASE("A failure of our names at another host sends no client there", "[registry]") {
  Registry registry;
  for (const auto& [name, code] : std::vector<std::pair<std::string, absl::StatusCode>>{
           {"nix/a", absl::StatusCode::kNotFound},
           {"nix/b", absl::StatusCode::kInvalidArgument},
           {"nix/c", absl::StatusCode::kFailedPrecondition},
           {"nix/d", absl::StatusCode::kUnauthenticated},
           {"nix/e", absl::StatusCode::kPermissionDenied},
           {"nix/f", absl::StatusCode::kUnavailable},
           {"nix/g", absl::StatusCode::kResourceExhausted},
           {"nix/h", absl::StatusCode::kDeadlineExceeded},
           {"nix/i", absl::StatusCode::kInternal}})
    registry.source.AddError(name, "latest", absl::Status(code, "nix: it failed"));
  RawHttpClient client(registry.port());
  const std::string target = GENERATE(
      as<std::string>(), "/v2/nix/a/manifests/latest", "/v2/nix/b/manifests/latest",
      "/v2/nix/c/manifests/latest", "/v2/nix/d/manifests/latest", "/v2/nix/e/manifests/latest",
      "/v2/nix/f/manifests/latest", "/v2/nix/g/manifests/latest", "/v2/nix/h/manifests/latest",
      "/v2/nix/i/manifests/latest", "/v2/nix/UPPER/manifests/latest", "/v2/nix/a/manifests/.tag",
      "/v2/nix/a/blobs/" + kUnknownDigest, "/v2/nix/a/manifests/" + kUnknownDigest,
      "/v2/nix/a/manifests/sha256:zz", "/v2/nix/none/tags/list");
  INFO(target);
  const RawHttpResponse shared = client.Get(target + "?ns=docker.io");
  CHECK(shared.status == 300);
  CHECK(client.Request("HEAD", target + "?ns=docker.io").status == 300);
  const RawHttpResponse own = client.Get(target + "?ns=nix.local");
  CHECK(own.status >= 400);
  CHECK(Json::parse(shared.body) == Json::parse(own.body));
}

TEST_CASE("Names of other hosts that are not ours are left to those", "[registry]") {
  Registry registry;
  registry.source.AddError("library/redis", "latest", absl::NotFoundError("no such image"));
  RawHttpClient client(registry.port());
  CHECK(client.Get("/v2/library/redis/manifests/latest?ns=docker.io").status == 404);
  CHECK(client.Get("/v2/nix/git/manifests/latest?ns=docker.io").status == 200);
}

TEST_CASE("Registry passes ?ns= on and echoes it", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const RawHttpResponse response = client.Get("/v2/nix/git/manifests/latest?ns=nix%3A0&x=1");
  CHECK(response.status == 200);
  CHECK(response.headers.at("oci-namespace") == "nix:0");
  const ManifestRequest request = registry.source.requests().back();
  CHECK(request.name == "nix/git");
  CHECK(request.tag == "latest");
  CHECK(request.mirror_of == "nix:0");
}

TEST_CASE("Registry serves blobs, HEAD like GET", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  for (const auto& [digest, content] : std::vector<std::pair<Digest, std::string>>{
           {registry.config->digest, registry.config->content},
           {registry.layer.digest(), registry.layer.content()}}) {
    const std::string target = "/v2/nix/git/blobs/" + digest.ToString();
    RawHttpResponse get = client.Get(target);
    CHECK(get.status == 200);
    CHECK(get.body == content);
    CHECK(get.headers.at("content-type") == "application/octet-stream");
    CHECK(get.headers.at("docker-content-digest") == digest.ToString());
    CHECK(get.headers.at("etag") == "\"" + digest.ToString() + "\"");
    CHECK(get.headers.at("accept-ranges") == "bytes");
    CHECK(get.headers.at("cache-control") == "max-age=31536000");
    CHECK(get.headers.at("vary") == "Accept-Encoding");
    RawHttpResponse head = client.Request("HEAD", target, "Range: bytes=0-0\r\n");
    CHECK(head.status == 200);
    get.headers.erase("date");
    head.headers.erase("date");
    CHECK(head.headers == get.headers);
    CHECK(client.Get(target, "If-None-Match: \"" + digest.ToString() + "\"\r\n").status == 304);
  }
}

TEST_CASE("Registry serves ranges of a layer in identity coding", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const std::string& whole = registry.layer.content();
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    const size_t begin = random() % whole.size();
    const size_t end = begin + random() % (whole.size() - begin) + 1;
    const RawHttpResponse part = client.Get(
        registry.layer_target(),
        absl::StrCat("Accept-Encoding: gzip\r\nRange: bytes=", begin, "-", end - 1, "\r\n"));
    REQUIRE(part.status == 206);
    CHECK(part.headers.at("content-range") ==
          absl::StrCat("bytes ", begin, "-", end - 1, "/", whole.size()));
    CHECK(part.headers.count("content-encoding") == 0);
    REQUIRE(part.body == whole.substr(begin, end - begin));
  }
  CHECK(client.Get(registry.layer_target(), "Range: bytes=-100\r\n").body ==
        whole.substr(whole.size() - 100));
  CHECK(client.Get(registry.layer_target(), "Range: bytes=0-1,3-4\r\n").body == whole);
}

TEST_CASE("Registry refuses a range beyond the end", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const std::string range = GENERATE("bytes=99999999-", "junk", "bytes=-0");
  const RawHttpResponse response = client.Get(registry.layer_target(), "Range: " + range + "\r\n");
  CHECK(response.status == 416);
  CHECK(response.headers.at("content-range") ==
        absl::StrCat("bytes */", registry.layer.content().size()));
  CHECK(CodeOf(response) == "SIZE_INVALID");
}

TEST_CASE("Registry honours If-Range", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const std::string tag = "\"" + registry.layer.digest().ToString() + "\"";
  const std::string range = "Range: bytes=0-9\r\n";
  CHECK(client.Get(registry.layer_target(), range + "If-Range: " + tag + "\r\n").status == 206);
  const RawHttpResponse whole =
      client.Get(registry.layer_target(), range + "If-Range: \"other\"\r\n");
  CHECK(whole.status == 200);
  CHECK(whole.body == registry.layer.content());
}

TEST_CASE("Registry encodes a layer as Accept-Encoding allows", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const auto [accept, coding] = GENERATE(table<std::string, ContentCoding>({
      {"gzip", ContentCoding::kGzip},
      {"zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", ContentCoding::kZstd},
      {"gzip;q=0", ContentCoding::kIdentity},
  }));
  const RawHttpResponse response =
      client.Get(registry.layer_target(), "Accept-Encoding: " + accept + "\r\n");
  CHECK(response.status == 200);
  CHECK(response.headers.at("vary") == "Accept-Encoding");
  CHECK(testing::DecodeBody(response.body, coding) == registry.layer.content());
  if (coding == ContentCoding::kIdentity) {
    CHECK(response.headers.count("content-encoding") == 0);
    return;
  }
  const std::string name(ContentCodingName(coding));
  CHECK(response.headers.at("content-encoding") == name);
  CHECK(response.headers.at("etag") ==
        "\"" + registry.layer.digest().ToString() + "-" + name + "\"");
  CHECK(response.headers.at("transfer-encoding") == "chunked");
  CHECK(response.headers.count("content-length") == 0);
  CHECK(response.body.size() < registry.layer.content().size());
}

TEST_CASE("Registry combines repeated Accept-Encoding fields", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const RawHttpResponse response =
      client.Get(registry.layer_target(), "Accept-Encoding: br\r\nAccept-Encoding: zstd\r\n");
  CHECK(response.headers.at("content-encoding") == "zstd");
}

TEST_CASE("Registry never encodes documents, HTTP/1.0 answers or beyond its limit", "[registry]") {
  Registry registry(GENERATE(0, 16));
  RawHttpClient client(registry.port());
  const std::string gzip = "Accept-Encoding: gzip\r\n";
  const RawHttpResponse config =
      client.Get("/v2/nix/git/blobs/" + registry.config->digest.ToString(), gzip);
  CHECK(config.body == registry.config->content);
  RawHttpClient old(registry.port());
  old.Send("GET " + registry.layer_target() + " HTTP/1.0\r\n" + gzip + "\r\n");
  CHECK(old.ReadResponse().body == registry.layer.content());
  Registry without(0);
  CHECK(RawHttpClient(without.port()).Get(without.layer_target(), gzip).body ==
        without.layer.content());
}

TEST_CASE("Registry pages tag lists", "[registry]") {
  Registry registry;
  RawHttpClient client(registry.port());
  const auto [query, tags, link] =
      GENERATE(table<std::string, std::vector<std::string>, std::string>({
          {"", {"a", "b", "c", "latest"}, ""},
          {"?n=2", {"a", "b"}, "</v2/nix/git/tags/list?n=2&last=b>; rel=\"next\""},
          {"?n=2&last=b", {"c", "latest"}, ""},
          {"?n=1&last=bb&ns=nix", {"c"}, "</v2/nix/git/tags/list?n=1&last=c&ns=nix>; rel=\"next\""},
          {"?n=0", {}, ""},
          {"?n=1000", {"a", "b", "c", "latest"}, ""},
          {"?last=zzz", {}, ""},
          {"?unknown=1", {"a", "b", "c", "latest"}, ""},
      }));
  INFO(query);
  RawHttpResponse response = client.Get("/v2/nix/git/tags/list" + query);
  CHECK(response.status == 200);
  const Json json = Json::parse(response.body);
  CHECK(json["name"] == "nix/git");
  CHECK(json["tags"] == Json(tags));
  CHECK(response.headers["link"] == link);
}

TEST_CASE("Registry lists referrers and filters by artifact type", "[registry]") {
  Registry registry;
  registry.source.AddReferrer(registry.config->digest, {"type/a", registry.manifest});
  registry.source.AddReferrer(registry.config->digest, {"type/b", registry.manifest});
  RawHttpClient client(registry.port());
  const std::string target = "/v2/nix/git/referrers/" + registry.config->digest.ToString();
  const RawHttpResponse all = client.Get(target);
  CHECK(all.status == 200);
  CHECK(all.headers.at("content-type") == "application/vnd.oci.image.index.v1+json");
  CHECK(all.headers.count("oci-filters-applied") == 0);
  CHECK(Json::parse(all.body)["manifests"].size() == 2);
  const RawHttpResponse one = client.Get(target + "?artifactType=type%2Fb");
  CHECK(one.headers.at("oci-filters-applied") == "artifactType");
  CHECK(Json::parse(one.body)["manifests"] ==
        Json::array({{{"mediaType", kManifestType},
                      {"digest", registry.manifest->digest.ToString()},
                      {"size", registry.manifest->content.size()},
                      {"artifactType", "type/b"},
                      {"annotations", {{"k", "v"}}}}}));
  for (const std::string& digest : {kUnknownDigest, std::string("sha512:abcd")}) {
    const RawHttpResponse none = client.Get("/v2/nix/git/referrers/" + digest);
    CHECK(none.status == 200);
    CHECK(Json::parse(none.body)["manifests"] == Json::array());
  }
}

TEST_CASE("Registry answers others while an image is being built", "[registry]") {
  Registry registry;
  std::vector<std::unique_ptr<RawHttpClient>> waiting;
  for (int i = 0; i < 50; ++i) {
    waiting.push_back(std::make_unique<RawHttpClient>(registry.port()));
    waiting.back()->Send("HEAD /v2/slow/manifests/latest HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  registry.source.AwaitWaiting(50);
  CHECK(RawHttpClient(registry.port()).Get("/v2/").status == 200);
  registry.source.AnswerWaiting(registry.manifest);
  for (const auto& client : waiting)
    CHECK(client->ReadResponse(/*head_only=*/true).headers.at("docker-content-digest") ==
          registry.manifest->digest.ToString());
}

TEST_CASE("Registry cuts a layer whose file has changed", "[registry]") {
  Registry registry;
  registry.layer.Resize("small/99", 1);
  RawHttpClient client(registry.port());
  const std::string accept = GENERATE("", "Accept-Encoding: gzip\r\n");
  const RawHttpResponse response = client.Get(registry.layer_target(), accept);
  CHECK(response.status == 200);
  CHECK_FALSE(response.complete);
}

TEST_CASE("Registry answers 500 for a layer whose first file has changed", "[registry]") {
  Registry registry;
  registry.layer.Resize("large", 1);
  RawHttpClient client(registry.port());
  const std::string accept = GENERATE("", "Accept-Encoding: gzip\r\n");
  const RawHttpResponse response = client.Get(registry.layer_target(), accept);
  CHECK(response.status == 500);
  CHECK(CodeOf(response) == "UNKNOWN");
  CHECK(response.reason.find("size has changed from 400000 to 1 bytes") != std::string::npos);
}

TEST_CASE("Registry serves layers to 64 clients at once", "[registry]") {
  Registry registry;
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 64; ++c) {
    clients.emplace_back([&, c] {
      RawHttpClient client(registry.port());
      const ContentCoding coding = static_cast<ContentCoding>(c % 3);
      const RawHttpResponse response = client.Get(
          registry.layer_target(),
          absl::StrCat("Accept-Encoding: ", std::string(ContentCodingName(coding)), "\r\n"));
      const bool coded = response.headers.count("content-encoding") > 0;
      if (testing::DecodeBody(response.body, coded ? coding : ContentCoding::kIdentity) ==
          registry.layer.content())
        ++good;
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(good == 64);
}

TEST_CASE("Registry survives 2,000 damaged requests", "[registry]") {
  Registry registry;
  const std::vector<std::string> seeds = {
      "GET /v2/nix/git/manifests/latest?ns=docker.io HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
      "GET /v2/nix/git/tags/list?n=2&last=b HTTP/1.1\r\nHost: a\r\n\r\n",
      "HEAD /v2/nix/git/referrers/" + kUnknownDigest +
          "?artifactType=a HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /v2/nix/git/blobs/" + registry.config->digest.ToString() +
          " HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5\r\nIf-None-Match: \"x\"\r\n"
          "Accept-Encoding: gzip;q=0.5, zstd\r\n\r\n"};
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    std::string request = seeds[static_cast<size_t>(i) % seeds.size()];
    for (uint32_t n = random() % 4 + 1; n > 0; --n) {
      const size_t at = random() % request.size();
      switch (random() % 3) {
        case 0:
          request[at] = "/%&?=:;,.-_\"\x80zZ09"[random() % 17];
          break;
        case 1:
          request.erase(at, 1);
          break;
        default:
          request.insert(at, request.substr(random() % request.size(), random() % 20));
      }
    }
    RawHttpClient client(registry.port());
    client.Send(request);
    client.CloseSending();
    while (client.ReadSome(65536).size() == 65536) {
    }
  }
  CHECK(RawHttpClient(registry.port()).Get("/v2/").status == 200);
}

}  // namespace
}  // namespace stowage
