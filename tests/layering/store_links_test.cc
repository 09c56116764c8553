#include "layering/store_links.h"

#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {

std::ostream& operator<<(std::ostream& out, const StoreLocation& location) {
  return out << static_cast<int>(location.kind) << " " << location.path;
}

namespace {

using testing::SyntheticStore;
using Kind = StoreLocation::Kind;

StoreLocation Follow(const SyntheticStore& store, const std::string& path) {
  const auto links = StoreLinks::Open(store.path());
  REQUIRE_OK(links);
  const auto location = links->Follow(path);
  REQUIRE_OK(location);
  return *location;
}

TEST_CASE("Follow finds what is there, through relative and absolute links", "[layering][links]") {
  const SyntheticStore store;
  const std::string a = SyntheticStore::BaseName('a', "a");
  const std::string b = SyntheticStore::BaseName('b', "b");
  store.File(a + "/bin/vi");
  store.Symlink(a + "/sbin", "bin");
  store.Symlink(a + "/bin/ex", "./vi");
  store.Symlink(a + "/bin/view", "../sbin/ex");
  store.Symlink(b + "/bin", "/nix/store/" + a + "/sbin/");
  store.Symlink(b + "/up", "../" + a + "//bin/./vi");
  CHECK(Follow(store, a) == StoreLocation{Kind::kDirectory, a});
  CHECK(Follow(store, a + "/sbin") == StoreLocation{Kind::kDirectory, a + "/bin"});
  CHECK(Follow(store, b + "/bin/view") == StoreLocation{Kind::kFile, a + "/bin/vi"});
  CHECK(Follow(store, b + "/up") == StoreLocation{Kind::kFile, a + "/bin/vi"});
  CHECK(Follow(store, b + "/bin/..") == StoreLocation{Kind::kDirectory, a});
}

TEST_CASE("Follow never leaves the store", "[layering][links]") {
  const SyntheticStore store;
  const std::string a = SyntheticStore::BaseName('a', "a");
  store.File(a + "/file");
  store.File(".links/file");
  const auto [target, end] = GENERATE(table<std::string, std::string>({
      {"/etc/passwd", "/etc/passwd/rest"},
      {"/nix/storeroom/x", "/nix/storeroom/x/rest"},
      {"/nix/store/../../etc", "/nix/../etc/rest"},
      {"../..", "/nix/rest"},
      {"..", "/nix/store/rest"},
      {"/nix/store/.links/file", "/nix/store/.links/file/rest"},
      {"none", "/nix/store/" + SyntheticStore::BaseName('a', "a") + "/none/rest"},
      {"file", "/nix/store/" + SyntheticStore::BaseName('a', "a") + "/file/rest"},
      {"link", "/nix/store/" + SyntheticStore::BaseName('a', "a") + "/link/rest"},
  }));
  store.Symlink(a + "/link", target);
  CHECK(Follow(store, a + "/link/rest") == StoreLocation{Kind::kOutside, end});
}

TEST_CASE("Follow does not see this machine through a store elsewhere", "[layering][links]") {
  const SyntheticStore store;
  const std::string a = SyntheticStore::BaseName('a', "a");
  store.File(a + "/file");
  store.Symlink(a + "/link", store.Join(a + "/file"));
  CHECK(Follow(store, a + "/link") == StoreLocation{Kind::kOutside, store.Join(a + "/file")});
}

TEST_CASE("Has sees links that lead nowhere", "[layering][links]") {
  const SyntheticStore store;
  store.Symlink("dangling", "none");
  const auto links = StoreLinks::Open(store.path());
  REQUIRE_OK(links);
  CHECK(links->Has("dangling").value());
  CHECK_FALSE(links->Has("none").value());
}

}  // namespace
}  // namespace stowage
