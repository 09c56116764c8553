#include "plugin/images/image_table.h"

#include "base/sha256.h"
#include "plugin/images/layer_table.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

Document MakeDocument(const std::string& content) {
  return {Sha256(content), "application/json", content};
}

struct Fixture {
  testing::TemporaryDirectory directory;
  std::unique_ptr<LayerTable> layers = LayerTable::Open(directory.Join("stowage.db")).value();
  std::unique_ptr<ImageTable> images = ImageTable::Open(directory.Join("stowage.db")).value();
  int64_t layer =
      layers->Record({0, LayerKind::kProfile, Sha256("c"), Sha256("d"), 1, false}, {}).value();

  NewImage Image(const std::string& key) {
    const Document manifest = MakeDocument("{\"manifest\":\"" + key + "\"}");
    const Document config = MakeDocument("{\"config\":1}");
    ImageSummary summary;
    summary.source = "path /x";
    summary.architecture = "amd64";
    summary.store_path_count = 3;
    summary.warnings = {"bin/vi: a kept, b ignored"};
    return {{0, Sha256(key), "git", manifest.digest, config.digest, Sha256("chain"), summary},
            {layer},
            {manifest},
            {config}};
  }
};

TEST_CASE("ImageTable finds an image by cache key and by tag", "[plugin][image_table]") {
  Fixture f;
  const auto id = f.images->Record(f.Image("key"));
  REQUIRE_OK(id);
  const absl::Time now = absl::FromUnixSeconds(7);
  REQUIRE_OK(f.images->SetTag("git", "latest", *id, "abc", now));
  REQUIRE_OK(f.images->SetTag("git", "v1", *id, "abc", now));
  const auto tag = f.images->FindTag("git", "latest");
  REQUIRE_OK(tag);
  CHECK(tag->image.cache_key == Sha256("key"));
  CHECK(tag->image.summary.store_path_count == 3);
  CHECK(tag->image.summary.warnings == std::vector<std::string>{"bin/vi: a kept, b ignored"});
  CHECK(tag->revision == "abc");
  CHECK(tag->resolved_at == now);
  CHECK(f.images->Layers(*id).value() == std::vector<int64_t>{f.layer});
  CHECK(f.images->Tags("git").value() == std::vector<std::string>{"latest", "v1"});
  CHECK(absl::IsNotFound(f.images->Tags("htop").status()));
  CHECK(absl::IsNotFound(f.images->FindTag("git", "v2").status()));
  CHECK(absl::IsNotFound(f.images->FindByCacheKey(Sha256("other")).status()));
}

TEST_CASE("ImageTable replaces an image with the same cache key", "[plugin][image_table]") {
  Fixture f;
  const int64_t first = f.images->Record(f.Image("key")).value();
  NewImage changed = f.Image("key");
  changed.image.summary.revision = "new";
  CHECK(f.images->Record(changed).value() == first);
  CHECK(f.images->FindByCacheKey(Sha256("key"))->summary.revision == "new");
}

TEST_CASE("ImageTable keeps manifests and blobs apart and finds referrers",
          "[plugin][image_table]") {
  Fixture f;
  NewImage image = f.Image("key");
  const Document manifest = image.manifests[0];
  const Document referrer = MakeDocument("{\"artifactType\":\"t\",\"subject\":{\"digest\":\"" +
                                         manifest.digest.ToString() + "\"}}");
  image.manifests.push_back(referrer);
  REQUIRE_OK(f.images->Record(image));
  CHECK(f.images->FindManifest(manifest.digest).value()->content == manifest.content);
  CHECK(absl::IsNotFound(f.images->FindBlob(manifest.digest).status()));
  CHECK(f.images->FindBlob(image.blobs[0].digest).value()->content == "{\"config\":1}");
  CHECK(absl::IsNotFound(f.images->FindManifest(image.blobs[0].digest).status()));
  const auto referrers = f.images->Referrers(manifest.digest);
  REQUIRE_OK(referrers);
  REQUIRE(referrers->size() == 1);
  CHECK(referrers->front().artifact_type == "t");
  CHECK(referrers->front().manifest->digest == referrer.digest);
  CHECK(f.images->Referrers(referrer.digest)->empty());
}

TEST_CASE("Documents of an image that was not made here are for this node only, until it is",
          "[plugin][image_table]") {
  Fixture f;
  NewImage image = f.Image("key");
  const Digest manifest = image.manifests[0].digest, config = image.blobs[0].digest;
  image.image.summary.recorded_by = GENERATE(as<std::string>(), "https://other", kProvisional);
  REQUIRE_OK(f.images->Record(image));
  CHECK(f.images->FindByCacheKey(Sha256("key"))->summary.recorded_by ==
        image.image.summary.recorded_by);
  CHECK(absl::IsNotFound(f.images->FindManifest(manifest).status()));
  CHECK(absl::IsNotFound(f.images->FindBlob(config).status()));
  REQUIRE_OK(f.images->FindDocument(manifest));
  REQUIRE_OK(f.images->FindDocument(config));

  image.image.summary.recorded_by = "";
  REQUIRE_OK(f.images->Record(image));
  REQUIRE_OK(f.images->FindManifest(manifest));
  REQUIRE_OK(f.images->FindBlob(config));
  image.image.summary.recorded_by = kProvisional;
  REQUIRE_OK(f.images->Record(image));
  REQUIRE_OK(f.images->FindManifest(manifest));
}

TEST_CASE("ImageTable extends the hold of an image's layers", "[plugin][image_table]") {
  Fixture f;
  const NewImage image = f.Image("key");
  REQUIRE_OK(f.images->Record(image));
  REQUIRE_OK(f.layers->SetRooted({f.layer}, true));
  const absl::Time now = absl::Now();
  REQUIRE_OK(f.images->HoldImage(image.image.manifest_digest, now, absl::Hours(1)));
  CHECK(f.layers->TakeUnneededLayers(now)->empty());
  CHECK(f.layers->TakeUnneededLayers(now + absl::Hours(2))->size() == 1);
  REQUIRE_OK(f.layers->SetRooted({f.layer}, true));
  REQUIRE_OK(f.images->HoldLayer(Sha256("d"), now, absl::Hours(3)));
  CHECK(f.layers->TakeUnneededLayers(now + absl::Hours(2))->empty());
}

}  // namespace
}  // namespace stowage
