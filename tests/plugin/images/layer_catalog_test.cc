#include "plugin/images/layer_catalog.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "absl/types/span.h"
#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"
#include "fuse/index_format.h"
#include "fuse/object_index.h"
#include "fuse/view_index.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const std::string kPath = "00000000000000000000000000000001-hello";

// A catalog over a store of one path, in a directory of its own.
struct Fixture {
  testing::TemporaryDirectory directory;
  std::vector<std::string> warnings;
  std::unique_ptr<LayerCatalog> catalog;
  LayerRecord layer = {0, LayerKind::kStorePaths, Sha256("content"), Sha256("diff"), 0, false};

  Fixture() {
    REQUIRE_OK(MakeDirectories(directory.Join("store/" + kPath + "/bin")));
    REQUIRE_OK(WriteFileAtomically(directory.Join("store/" + kPath + "/bin/hello"), "hi", 0555));
    Open();
    const auto archive =
        LayerArchive::ForStorePaths(directory.Join("store"), std::vector<std::string>{kPath});
    REQUIRE_OK(archive);
    layer.size_bytes = archive->size_bytes();
    layer.diff_id = archive->Hash({}).value().diff_id;
    layer.id = catalog->table().Record(layer, {{0, kPath, Sha256("nar")}}).value();
    REQUIRE_OK(catalog->Root(layer, {StorePath::FromBaseName(kPath).value()}));
    REQUIRE_OK(catalog->table().RecordChains({Sha256("chain")}, {layer.id}));
  }

  void Open() {
    catalog.reset();
    LayerCatalogOptions options;
    options.state_directory = directory.Join("state");
    options.gc_roots_directory = directory.Join("roots");
    options.fuse_mountpoint = directory.Join("fs");
    options.store_directory = directory.Join("store");
    options.warn = [this](absl::string_view line) { warnings.emplace_back(line); };
    auto opened = LayerCatalog::Open(options);
    REQUIRE_OK(opened);
    catalog = *std::move(opened);
  }
};

TEST_CASE("LayerCatalog finds a registered chain while its store paths are there",
          "[plugin][layer_catalog]") {
  Fixture f;
  CHECK(f.catalog->FindChain(Sha256("chain"), std::nullopt).value() ==
        std::vector<int64_t>{f.layer.id});
  CHECK(absl::IsNotFound(f.catalog->FindChain(Sha256("other"), std::nullopt).status()));
  CHECK(absl::IsNotFound(f.catalog->FindChain(Sha256("chain"), Sha256("parent")).status()));
  REQUIRE_OK(RemoveTree(f.directory.Join("store/" + kPath)));
  const auto vanished = f.catalog->FindChain(Sha256("chain"), std::nullopt);
  CHECK(absl::IsNotFound(vanished.status()));
  CHECK(vanished.status().message().find(kPath) != absl::string_view::npos);
}

TEST_CASE("LayerCatalog shows no layer without the FUSE mount and says what to start",
          "[plugin][layer_catalog]") {
  Fixture f;
  const auto lower = f.catalog->LowerDirectories({f.layer.id}, ViewDriver::kFuse);
  CHECK(absl::IsFailedPrecondition(lower.status()));
  CHECK(lower.status().message().find("stowage-fuse --state") != absl::string_view::npos);
}

TEST_CASE("LayerCatalog shows no layer whose store path is gone, and names the path",
          "[plugin][layer_catalog]") {
  Fixture f;
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  REQUIRE_OK(RemoveTree(f.directory.Join("store/" + kPath)));
  const auto lower = f.catalog->LowerDirectories({f.layer.id}, ViewDriver::kFuse);
  CHECK(absl::IsDataLoss(lower.status()));
  CHECK(lower.status().message().find(kPath) != absl::string_view::npos);
  CHECK(lower.status().message().find("nix-store --verify --repair") != absl::string_view::npos);
}

TEST_CASE("LayerCatalog sees a store path go that it has seen before, and come back",
          "[plugin][layer_catalog]") {
  Fixture f;
  const auto found = [&] { return f.catalog->FindChain(Sha256("chain"), std::nullopt).ok(); };
  CHECK(found());
  REQUIRE_OK(MakeDirectories(f.directory.Join("store/unrelated")));
  REQUIRE_OK(RemoveTree(f.directory.Join("store/unrelated")));
  CHECK(found());
  const std::string path = f.directory.Join("store/" + kPath);
  REQUIRE(std::rename(path.c_str(), f.directory.Join("away").c_str()) == 0);
  CHECK_FALSE(found());
  CHECK_FALSE(found());
  REQUIRE(std::rename(f.directory.Join("away").c_str(), path.c_str()) == 0);
  CHECK(found());
}

TEST_CASE("LayerCatalog shows no layer whose files are known to be changed",
          "[plugin][layer_catalog]") {
  Fixture f;
  REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));
  f.catalog->store_check().Drain();
  REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));
  REQUIRE_OK(WriteFileAtomically(f.directory.Join("store/" + kPath + "/bin/hello"), "ho", 0555));
  f.Open();
  REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));  // nobody has looked yet
  f.catalog->store_check().Drain();
  const auto found = f.catalog->FindChain(Sha256("chain"), std::nullopt);
  CHECK(absl::IsDataLoss(found.status()));
  CHECK(found.status().message().find(kPath) != absl::string_view::npos);
  const auto lower = f.catalog->LowerDirectories({f.layer.id}, ViewDriver::kFuse);
  CHECK(absl::IsDataLoss(lower.status()));
}

TEST_CASE("LayerCatalog keeps the archive of a layer open and notices changed files",
          "[plugin][layer_catalog]") {
  Fixture f;
  const auto archive = f.catalog->Archive(f.layer.diff_id);
  REQUIRE_OK(archive);
  CHECK((*archive)->size_bytes() == f.layer.size_bytes);
  CHECK(f.catalog->Archive(f.layer.diff_id).value() == *archive);
  CHECK(absl::IsNotFound(f.catalog->Archive(Sha256("other")).status()));
  REQUIRE_OK(
      WriteFileAtomically(f.directory.Join("store/" + kPath + "/more"), std::string(5000, 'x')));
  f.Open();
  CHECK(absl::IsDataLoss(f.catalog->Archive(f.layer.diff_id).status()));
}

TEST_CASE("LayerCatalog collects a layer that nothing holds, with roots and index files",
          "[plugin][layer_catalog]") {
  Fixture f;
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  CHECK(ListDirectory(f.directory.Join("state/views"))->size() == 1);
  const absl::Time now = absl::Now();
  REQUIRE_OK(f.catalog->table().Hold({f.layer.id}, now + absl::Minutes(1)));
  CHECK(f.catalog->Collect(now).value() == 0);
  CHECK(f.catalog->gc_roots().Holders()->size() == 1);
  CHECK(f.catalog->Collect(now + absl::Minutes(2)).value() == 1);
  CHECK(f.catalog->gc_roots().Holders()->empty());
  CHECK(ListDirectory(f.directory.Join("state/views"))->empty());
  CHECK(ListDirectory(f.directory.Join("state/objects"))->empty());
  CHECK(absl::IsNotFound(f.catalog->FindChain(Sha256("chain"), std::nullopt).status()));
  CHECK(absl::IsNotFound(f.catalog->Archive(f.layer.diff_id).status()));
}

TEST_CASE("LayerCatalog brings roots and database in line at start, in both directions",
          "[plugin][layer_catalog]") {
  Fixture f;
  SECTION("roots that no layer claims go") {
    REQUIRE_OK(f.catalog->gc_roots().Add("leaked", {StorePath::FromBaseName(kPath).value()}));
    f.Open();
    CHECK(f.catalog->gc_roots().Holders().value() ==
          std::vector<std::string>{f.layer.content_key.hex()});
    CHECK(f.catalog->table().FindById(f.layer.id)->rooted);
  }
  SECTION("roots that were lost are made again") {
    REQUIRE_OK(f.catalog->gc_roots().Remove(f.layer.content_key.hex()));
    f.Open();
    CHECK(f.catalog->table().FindById(f.layer.id)->rooted);
    CHECK(f.catalog->gc_roots().Holders().value() ==
          std::vector<std::string>{f.layer.content_key.hex()});
  }
  SECTION("roots that cannot be made now are made later, and the claim stays") {
    REQUIRE_OK(f.catalog->table().Hold({f.layer.id}, absl::Now() + absl::Hours(1)));
    REQUIRE_OK(RemoveTree(f.directory.Join("roots/layers")));
    REQUIRE(::symlink("nowhere", f.directory.Join("roots/layers").c_str()) == 0);
    f.Open();
    CHECK(f.catalog->table().FindById(f.layer.id)->rooted);
    REQUIRE_OK(f.catalog->Collect(absl::Now()));
    CHECK(f.catalog->gc_roots().Holders()->empty());
    CHECK(f.catalog->table().FindById(f.layer.id)->rooted);
    CHECK_FALSE(f.catalog->HasRoots(f.catalog->table().FindById(f.layer.id).value()));
    CHECK(absl::IsUnavailable(f.catalog->FindChain(Sha256("chain"), std::nullopt).status()));
    REQUIRE(::unlink(f.directory.Join("roots/layers").c_str()) == 0);
    SECTION("in the background") { REQUIRE_OK(f.catalog->Collect(absl::Now())); }
    SECTION("by whoever makes an image of the layer") {
      REQUIRE_OK(f.catalog->Root(f.layer, {StorePath::FromBaseName(kPath).value()}));
    }
    CHECK(f.catalog->HasRoots(f.catalog->table().FindById(f.layer.id).value()));
    REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));
    CHECK(f.catalog->gc_roots().Holders().value() ==
          std::vector<std::string>{f.layer.content_key.hex()});
  }
  SECTION("a layer without roots and store paths loses the claim") {
    REQUIRE_OK(f.catalog->gc_roots().Remove(f.layer.content_key.hex()));
    REQUIRE_OK(RemoveTree(f.directory.Join("store/" + kPath)));
    f.Open();
    CHECK_FALSE(f.catalog->table().FindById(f.layer.id)->rooted);
    REQUIRE(f.warnings.size() == 1);
    CHECK(f.warnings.front().find("is lost") != std::string::npos);
    CHECK(f.warnings.front().find(kPath) != std::string::npos);
  }
}

TEST_CASE("FuseViews leaves the view alone that is made while it cleans up",
          "[plugin][layer_catalog]") {
  Fixture f;
  std::vector<LayerRecord> layers;
  for (int i = 0; i < 7; ++i) {
    LayerRecord layer = f.layer;
    layer.content_key = Sha256(absl::StrCat("content ", i));
    layer.diff_id = Sha256(absl::StrCat("diff ", i));
    layer.id = f.catalog->table().Record(layer, {{0, kPath, Sha256("nar")}}).value();
    REQUIRE_OK(f.catalog->Root(layer, {StorePath::FromBaseName(kPath).value()}));
    layers.push_back(layer);
  }
  absl::Notification done;
  absl::Status cleaned;
  std::thread cleaner([&] {
    while (!done.HasBeenNotified()) cleaned.Update(f.catalog->views().RemoveUnneeded().status());
  });
  size_t written = 0;
  for (size_t first = 0; first < layers.size(); ++first) {
    for (size_t count = 1; first + count <= layers.size(); ++count)
      written += f.catalog->views().Write(absl::MakeSpan(layers).subspan(first, count)).ok();
  }
  done.Notify();
  cleaner.join();
  REQUIRE_OK(cleaned);
  CHECK(written == 28);
  CHECK(ListDirectory(f.directory.Join("state/views"))->size() == written);
}

TEST_CASE("LayerCatalog drops index files of an earlier boot", "[plugin][layer_catalog]") {
  Fixture f;
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  f.Open();
  CHECK(ListDirectory(f.directory.Join("state/views"))->size() == 1);
  REQUIRE_OK(WriteFileAtomically(f.directory.Join("state/boot_id"), "another boot"));
  f.Open();
  CHECK(ListDirectory(f.directory.Join("state/views"))->empty());
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  CHECK(ListDirectory(f.directory.Join("state/objects"))->size() == 1);
}

// Makes an index file one of another version of Stowage: with a right checksum, and as a new file.
void SetIndexVersion(const std::string& path, uint32_t version) {
  auto bytes = ReadFile(path);
  REQUIRE_OK(bytes);
  IndexHeader header;
  std::memcpy(&header, bytes->data(), sizeof header);
  header.version = version;
  header.header_crc = Crc32c(
      absl::string_view(reinterpret_cast<const char*>(&header), offsetof(IndexHeader, header_crc)));
  std::memcpy(bytes->data(), &header, sizeof header);
  REQUIRE_OK(WriteFileAtomically(path, *bytes));
}

TEST_CASE("LayerCatalog writes index files of another version again, under their numbers",
          "[plugin][layer_catalog]") {
  const uint32_t version = GENERATE(kIndexVersion - 1, kIndexVersion + 1);
  Fixture f;
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  const std::string object = f.directory.Join("state/objects/1");
  const std::string view = f.directory.Join("state/views/1");
  const auto mapped = ObjectIndex::Open(AT_FDCWD, object, 1);
  REQUIRE_OK(mapped);
  for (const std::string& path : {object, view}) SetIndexVersion(path, version);
  REQUIRE_OK(WriteFileAtomically(f.directory.Join("state/objects/7"), "shown by no view"));
  CHECK(absl::IsFailedPrecondition(ObjectIndex::Open(AT_FDCWD, object, 1).status()));
  const std::string stamp = f.directory.Join("state/boot_id");
  const std::string current = ReadFile(stamp).value();
  REQUIRE_OK(WriteFileAtomically(
      stamp, absl::StrReplaceAll(current, {{absl::StrCat("index version ", kIndexVersion),
                                            absl::StrCat("index version ", version)}})));
  REQUIRE(ReadFile(stamp).value() != current);
  f.Open();
  CHECK(ObjectIndex::Open(AT_FDCWD, object, 1)->VerifyContent().ok());
  CHECK(ViewIndex::Open(AT_FDCWD, view, 1)->VerifyContent().ok());
  CHECK(ListDirectory(f.directory.Join("state/objects")).value() == std::vector<std::string>{"1"});
  CHECK(ReadFile(stamp).value() == current);
  CHECK(mapped->VerifyContent().ok());
}

int64_t OnlyObject(LayerCatalog& catalog, int64_t layer) {
  const auto objects = catalog.table().Objects({layer});
  REQUIRE_OK(objects);
  REQUIRE(objects->size() == 1);
  return objects->front().number;
}

TEST_CASE(
    "LayerCatalog shows a layer whose missing store path is promised, and serves it to nobody",
    "[plugin][layer_catalog]") {
  Fixture f;
  const int64_t object = OnlyObject(*f.catalog, f.layer.id);
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  REQUIRE_OK(RemoveTree(f.directory.Join("store/" + kPath)));
  REQUIRE_OK(f.catalog->views().Promise({object}));
  CHECK(ListDirectory(f.directory.Join("state/objects"))->empty());
  const auto check = [&] {
    REQUIRE_OK(f.catalog->CheckPresent({f.layer.id}));
    REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));
    CHECK(absl::IsUnavailable(f.catalog->CheckComplete({f.layer.id})));
    CHECK(absl::IsUnavailable(f.catalog->Archive(f.layer.diff_id).status()));
  };
  check();
  f.Open();  // promises survive
  check();
  SECTION("and keeps it when its roots were lost") {
    REQUIRE_OK(f.catalog->gc_roots().Remove(f.layer.content_key.hex()));
    f.Open();
    CHECK(f.catalog->table().FindById(f.layer.id)->rooted);
    CHECK(f.catalog->gc_roots().Holders()->size() == 1);
  }
  SECTION("and forgets the promise with the layer") {
    CHECK(f.catalog->Collect(absl::Now() + absl::Hours(1)).value() == 1);
    CHECK(f.catalog->views().promises().All().empty());
    CHECK(ListDirectory(f.directory.Join("state/promises"))->empty());
  }
}

TEST_CASE("LayerCatalog does not take what Nix is unpacking for a change",
          "[plugin][layer_catalog]") {
  Fixture f;
  REQUIRE_OK(f.catalog->views().Promise({OnlyObject(*f.catalog, f.layer.id)}));
  REQUIRE_OK(WriteFileAtomically(f.directory.Join("store/" + kPath + "/bin/hello"), "h", 0600));
  REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));
  f.catalog->store_check().Drain();
  REQUIRE_OK(f.catalog->FindChain(Sha256("chain"), std::nullopt));
}

TEST_CASE("LayerCatalog: with its promise kept a layer is one like others",
          "[plugin][layer_catalog]") {
  Fixture f;
  const int64_t object = OnlyObject(*f.catalog, f.layer.id);
  REQUIRE_OK(f.catalog->views().Promise({object}));
  // What is promised may be there in part.
  REQUIRE_OK(f.catalog->views().Write(f.catalog->table().FindAll({f.layer.id}).value()));
  CHECK(ListDirectory(f.directory.Join("state/objects"))->empty());
  REQUIRE_OK(f.catalog->KeepPromises({f.layer.id}));
  CHECK(ListDirectory(f.directory.Join("state/objects"))->size() == 1);
  CHECK(ListDirectory(f.directory.Join("state/promises"))->empty());
  REQUIRE_OK(f.catalog->CheckComplete({f.layer.id}));
  REQUIRE_OK(RemoveTree(f.directory.Join("store/" + kPath)));
  CHECK(absl::IsNotFound(f.catalog->FindChain(Sha256("chain"), std::nullopt).status()));
}

TEST_CASE("LayerCatalog goes by a listing as long as a provisional image does",
          "[plugin][layer_catalog]") {
  Fixture f;
  const ObjectRecord object = f.catalog->table().Objects({f.layer.id}).value().front();
  LayerRecord provisional = f.layer;
  provisional.content_key = Sha256("provisional");
  provisional.diff_id = Sha256("made up");
  provisional.recorded_by = kProvisional;
  provisional.id = f.catalog->table().Record(provisional, {object}).value();
  REQUIRE_OK(f.catalog->expected_trees().Expect(object.number, Sha256("a lie")));
  REQUIRE_OK(f.catalog->table().SetRooted({provisional.id}, true));
  CHECK(absl::IsDataLoss(f.catalog->CheckListing(object)));

  SECTION("until nothing holds it") {
    REQUIRE_OK(f.catalog->table().SetRooted({provisional.id}, false));
  }
  SECTION("until an image is made of the store path") {
    REQUIRE_OK(f.catalog->views().Promise({object.number}));
    REQUIRE_OK(f.catalog->KeepPromises({f.layer.id}));
  }
  REQUIRE_OK(f.catalog->CheckListing(object));
  CHECK(ListDirectory(f.directory.Join("state/expected_trees"))->empty());
}

TEST_CASE("LayerCatalog gives nobody the bytes of a provisional layer", "[plugin][layer_catalog]") {
  Fixture f;
  LayerRecord provisional = f.layer;
  provisional.content_key = Sha256("provisional");
  provisional.diff_id = Sha256("made up");
  provisional.recorded_by = kProvisional;
  provisional.id = f.catalog->table().Record(provisional, {{0, kPath, Sha256("nar")}}).value();
  REQUIRE_OK(f.catalog->table().SetRooted({provisional.id}, true));
  CHECK(absl::IsNotFound(f.catalog->Archive(provisional.diff_id).status()));
  CHECK(absl::IsUnavailable(f.catalog->CheckComplete({provisional.id})));
  REQUIRE_OK(f.catalog->CheckComplete({f.layer.id}));
  REQUIRE_OK(f.catalog->Archive(f.layer.diff_id));
}

}  // namespace
}  // namespace stowage
