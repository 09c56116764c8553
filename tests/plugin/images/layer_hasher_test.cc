#include "plugin/images/layer_hasher.h"

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/sha256.h"
#include "layering/layer_archive.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const std::string kName = "00000000000000000000000000000001-there";

// One layer with roots, of one store path, which another Stowage has recorded.
struct Fixture {
  testing::TemporaryDirectory directory;
  std::unique_ptr<LayerCatalog> catalog;
  LayerRecord layer = {0,    LayerKind::kStorePaths, Sha256("content"), Sha256("a lie"), 1,
                       true, "https://other.example"};
  std::vector<ObjectRecord> objects = {{0, kName, Sha256("nar")}};
  LayerDigest truth = {Sha256(""), 0};
  std::atomic<int> verified = 0;
  absl::Status verification;

  Fixture() {
    REQUIRE_OK(MakeDirectories(directory.Join("store/" + kName)));
    REQUIRE_OK(WriteFileAtomically(directory.Join("store/" + kName + "/file"), "hi"));
    LayerCatalogOptions options;
    options.state_directory = directory.Join("state");
    options.gc_roots_directory = directory.Join("roots");
    options.fuse_mountpoint = directory.Join("fs");
    options.store_directory = directory.Join("store");
    auto opened = LayerCatalog::Open(options);
    REQUIRE_OK(opened);
    catalog = *std::move(opened);
    const auto archive =
        LayerArchive::ForStorePaths(directory.Join("store"), std::vector<std::string>{kName});
    REQUIRE_OK(archive);
    truth = archive->Hash({}).value();
  }

  void Record() {
    layer.id = catalog->table().Record(layer, objects).value();
    REQUIRE_OK(catalog->table().SetRooted({layer.id}, true));
  }

  std::unique_ptr<LayerHasher> Start() {
    LayerHasher::Options options;
    options.store_directory = directory.Join("store");
    options.interval = absl::Milliseconds(5);
    options.verify = [this](const std::vector<StorePath>& paths, std::stop_token) {
      CHECK(paths.size() == 1);
      ++verified;
      return verification;
    };
    return std::make_unique<LayerHasher>(std::move(options), *catalog,
                                         [](LogLevel, absl::string_view) {});
  }

  LayerRecord Now() { return catalog->table().FindById(layer.id).value(); }
  bool HashedWithin(absl::Duration time) {
    const absl::Time end = absl::Now() + time;
    while (!Now().recorded_by.empty() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(2));
    return Now().recorded_by.empty();
  }
};

TEST_CASE_METHOD(Fixture, "LayerHasher confirms a record that is right", "[plugin][layer_hasher]") {
  layer.diff_id = truth.diff_id;
  layer.size_bytes = truth.size_bytes;
  Record();
  CHECK(absl::IsUnavailable(catalog->Archive(truth.diff_id).status()));
  CHECK(absl::IsUnavailable(catalog->CheckComplete({layer.id})));
  const auto hasher = Start();
  REQUIRE(HashedWithin(absl::Seconds(5)));
  CHECK(verified == 0);
  CHECK(catalog->wrong_records().empty());
  REQUIRE_OK(catalog->CheckComplete({layer.id}));
  REQUIRE_OK(catalog->Archive(truth.diff_id));
}

TEST_CASE_METHOD(Fixture, "LayerHasher corrects a record that is wrong and says so",
                 "[plugin][layer_hasher]") {
  Record();
  const auto hasher = Start();
  REQUIRE(HashedWithin(absl::Seconds(5)));
  CHECK(verified == 1);
  CHECK(Now().diff_id == truth.diff_id);
  CHECK(Now().size_bytes == truth.size_bytes);
  CHECK(absl::IsNotFound(catalog->Archive(layer.diff_id).status()));
  REQUIRE(catalog->wrong_records().size() == 1);
  CHECK(absl::StrContains(catalog->wrong_records()[0], layer.diff_id.ToString()));
  CHECK(absl::StrContains(catalog->wrong_records()[0], "https://other.example"));
}

TEST_CASE_METHOD(Fixture, "LayerHasher takes a damaged store for no lie",
                 "[plugin][layer_hasher]") {
  verification = absl::DataLossError("path was modified");
  Record();
  const auto hasher = Start();
  const absl::Time end = absl::Now() + absl::Seconds(5);
  while (verified == 0 && absl::Now() < end) absl::SleepFor(absl::Milliseconds(2));
  CHECK_FALSE(HashedWithin(absl::Milliseconds(100)));
  CHECK(verified == 1);  // and not at every look
  CHECK(Now().diff_id == layer.diff_id);
  CHECK(catalog->wrong_records().empty());
}

TEST_CASE_METHOD(Fixture, "LayerHasher waits until nothing of a layer is promised",
                 "[plugin][layer_hasher]") {
  layer.diff_id = truth.diff_id;
  layer.size_bytes = truth.size_bytes;
  Record();
  const ObjectRecord object = catalog->table().Objects({layer.id}).value().front();
  REQUIRE_OK(catalog->views().Promise({object.number}));
  const auto hasher = Start();
  CHECK_FALSE(HashedWithin(absl::Milliseconds(50)));
  REQUIRE_OK(catalog->views().KeepPromise(object));
  CHECK(HashedWithin(absl::Seconds(5)));
}

}  // namespace
}  // namespace stowage
