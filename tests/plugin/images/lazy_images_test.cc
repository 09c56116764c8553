#include "plugin/images/lazy_images.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"
#include "plugin/images/profile_record.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const std::string kThere = "00000000000000000000000000000001-there";
const std::string kGone = "00000000000000000000000000000002-gone";

// What Nix's database would say.
class KnownHashes : public ClosureReader {
 public:
  absl::StatusOr<Closure> Read(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::Status CheckPathsValid(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) override {
    std::vector<std::optional<Digest>> found;
    for (const StorePath& path : paths) {
      const auto hash = hashes.find(path.base_name());
      found.push_back(hash == hashes.end() ? std::nullopt : std::optional(hash->second));
    }
    return found;
  }
  std::map<std::string, Digest> hashes;
};

// An image of one layer of two store paths and a profile, of which only the records are left.
struct Fixture {
  testing::TemporaryDirectory directory;
  std::unique_ptr<LayerCatalog> catalog;
  KnownHashes closures;
  NixOptions nix;
  Profile profile;
  LayerRecord paths = {0, LayerKind::kStorePaths, Sha256("content"), Sha256("diff"), 0, false};
  LayerRecord top = {0, LayerKind::kProfile, Sha256(""), Sha256("profile diff"), 0, false};

  Fixture() : profile({{{"bin", ProfileEntry::Type::kDirectory, 0755, ""}}, {}, Sha256("")}) {
    profile.key = Sha256(EncodeProfile(profile));
    top.content_key = ProfileContentKey(profile.key);
    nix.state_directory = directory.path();
    REQUIRE_OK(MakeDirectories(directory.Join("store/" + kThere)));
    LayerCatalogOptions options;
    options.state_directory = directory.Join("state");
    options.gc_roots_directory = directory.Join("roots");
    options.fuse_mountpoint = directory.Join("fs");
    options.store_directory = directory.Join("store");
    auto opened = LayerCatalog::Open(options);
    REQUIRE_OK(opened);
    catalog = *std::move(opened);
    paths.id = catalog->table()
                   .Record(paths, {{0, kThere, Sha256("nar 1")}, {0, kGone, Sha256("nar 2")}})
                   .value();
    top.id = catalog->table().Record(top, {}).value();
    REQUIRE_OK(RecordProfile(directory.Join("state"), top.diff_id, profile));
    closures.hashes.emplace(kThere, Sha256("nar 1"));
  }

  absl::StatusOr<bool> Hold() {
    const absl::Time now = absl::Now();
    return HoldLazily({*catalog, closures, nix}, {paths.id, top.id}, now + absl::Minutes(1),
                      {now + absl::Seconds(5), std::stop_token()});
  }
  std::vector<std::string> Roots() {
    auto names = ListDirectory(directory.Join("roots/layers/" + paths.content_key.hex()));
    return names.value_or(std::vector<std::string>());
  }
};

TEST_CASE_METHOD(Fixture, "HoldLazily promises what is missing and roots all of it",
                 "[plugin][lazy_images]") {
  const auto held = Hold();
  REQUIRE_OK(held);
  CHECK(*held);
  CHECK(Roots() == std::vector<std::string>{kThere, kGone});
  CHECK(catalog->views().promises().All().size() == 1);
  CHECK(DirectoryExists(catalog->ProfileDirectory(top) + "/bin"));
  for (const int64_t layer : {paths.id, top.id})
    CHECK(catalog->table().FindById(layer).value().rooted);
  REQUIRE_OK(catalog->CheckPresent({paths.id, top.id}));
  CHECK(absl::IsUnavailable(catalog->CheckComplete({paths.id, top.id})));
}

TEST_CASE_METHOD(Fixture,
                 "HoldLazily leaves an image alone whose store path has other contents now",
                 "[plugin][lazy_images]") {
  closures.hashes.emplace(kGone, Sha256("another nar"));
  const auto held = Hold();
  REQUIRE_OK(held);
  CHECK_FALSE(*held);
  CHECK(Roots().empty());
  CHECK(catalog->views().promises().All().empty());
  CHECK_FALSE(catalog->table().FindById(paths.id).value().rooted);
}

TEST_CASE_METHOD(Fixture, "HoldLazily needs the record of the profile, unchanged",
                 "[plugin][lazy_images]") {
  const std::string record = directory.Join("state/profile_records/" + top.diff_id.hex());
  SECTION("lost") { REQUIRE_OK(RemoveTree(record)); }
  SECTION("changed") { REQUIRE_OK(WriteFileAtomically(record, "stowage profile 1\n")); }
  const auto held = Hold();
  REQUIRE_OK(held);
  CHECK_FALSE(*held);
  CHECK_FALSE(DirectoryExists(catalog->ProfileDirectory(top)));
}

}  // namespace
}  // namespace stowage
