#include "plugin/images/expected_trees.h"

#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/sha256.h"
#include "layering/store_listing.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const ObjectRecord kObject = {7, "00000000000000000000000000000001-there", Sha256("nar")};

struct Fixture {
  testing::TemporaryDirectory directory;
  std::string store = directory.Join("store");
  ExpectedTrees trees = ExpectedTrees::Open(directory.Join("state")).value();

  Fixture() {
    REQUIRE_OK(MakeDirectories(store + "/" + kObject.base_name));
    REQUIRE_OK(WriteFileAtomically(store + "/" + kObject.base_name + "/file", "hi"));
  }
  Digest Truth() { return StoreTreeDigest(ReadStoreTree(store, kObject.base_name).value()); }
};

TEST_CASE("A store path of which nothing is expected is as it should be",
          "[plugin][expected_trees]") {
  Fixture f;
  REQUIRE_OK(f.trees.Check(kObject, f.store));
}

TEST_CASE("A store path that is as expected is not looked at again", "[plugin][expected_trees]") {
  Fixture f;
  REQUIRE_OK(f.trees.Expect(kObject.number, f.Truth()));
  REQUIRE_OK(f.trees.Check(kObject, f.store));
  REQUIRE_OK(RemoveTree(f.store));
  REQUIRE_OK(f.trees.Check(kObject, f.store));
}

TEST_CASE("A store path that is not as expected stays so, after a restart too",
          "[plugin][expected_trees]") {
  Fixture f;
  REQUIRE_OK(f.trees.Expect(kObject.number, Sha256("a lie")));
  CHECK(absl::IsDataLoss(f.trees.Check(kObject, f.store)));
  const auto again = ExpectedTrees::Open(f.directory.Join("state"));
  REQUIRE_OK(again);
  CHECK(absl::IsDataLoss(again->Check(kObject, f.store)));
  ObjectRecord other = kObject;
  other.number = 8;
  REQUIRE_OK(again->Check(other, f.store));
}

}  // namespace
}  // namespace stowage
