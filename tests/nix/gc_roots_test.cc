#include "nix/gc_roots.h"

#include <fcntl.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using Names = std::vector<std::string>;

StorePath Path(char name) { return *StorePath::FromBaseName(std::string(32, name) + "-p"); }

std::string LinkOf(const testing::TemporaryDirectory& directory, const std::string& holder,
                   char name) {
  return absl::StrCat(directory.path(), "/layers/", holder, "/", Path(name).base_name());
}

TEST_CASE("GcRoots links every path of a holder into the store", "[nix][gc_roots]") {
  const testing::TemporaryDirectory directory;
  GcRoots roots(directory.path());
  REQUIRE_OK(roots.Add("sha256-1", std::vector<StorePath>{Path('a'), Path('b'), Path('a')}));
  CHECK(*ReadLinkAt(AT_FDCWD, LinkOf(directory, "sha256-1", 'a')) == Path('a').ToString());
  CHECK(*ReadLinkAt(AT_FDCWD, LinkOf(directory, "sha256-1", 'b')) == Path('b').ToString());
  CHECK(*ListDirectory(directory.Join("layers")) == Names{"sha256-1"});
}

TEST_CASE("GcRoots replaces the paths of a holder", "[nix][gc_roots]") {
  const testing::TemporaryDirectory directory;
  GcRoots roots(directory.path());
  REQUIRE_OK(roots.Add("h", std::vector<StorePath>{Path('a')}));
  REQUIRE_OK(roots.Add("h", std::vector<StorePath>{Path('b')}));
  CHECK(*ListDirectory(directory.Join("layers/h")) == Names{Path('b').base_name()});
  CHECK(*ListDirectory(directory.Join("layers")) == Names{"h"});
}

TEST_CASE("GcRoots lists and removes holders", "[nix][gc_roots]") {
  const testing::TemporaryDirectory directory;
  GcRoots roots(directory.path());
  CHECK(roots.Holders()->empty());
  CHECK(roots.Remove("b").ok());
  REQUIRE_OK(roots.Add("b", std::vector<StorePath>{Path('a')}));
  REQUIRE_OK(roots.Add("a", {}));
  CHECK(*roots.Holders() == Names{"a", "b"});
  REQUIRE_OK(roots.Remove("b"));
  CHECK(*roots.Holders() == Names{"a"});
  CHECK(*ListDirectory(directory.Join("layers")) == Names{"a"});
}

TEST_CASE("GcRoots does not count what an interrupted call left, and removes it",
          "[nix][gc_roots]") {
  const testing::TemporaryDirectory directory;
  GcRoots roots(directory.path());
  REQUIRE_OK(roots.RemoveUnfinished());
  REQUIRE_OK(roots.Add("a", std::vector<StorePath>{Path('a')}));
  REQUIRE_OK(MakeDirectories(directory.Join("layers/.tmp-1-2-3/x")));
  CHECK(*roots.Holders() == Names{"a"});
  REQUIRE_OK(roots.RemoveUnfinished());
  CHECK(*ListDirectory(directory.Join("layers")) == Names{"a"});
}

TEST_CASE("GcRoots refuses holders that are no plain component", "[nix][gc_roots]") {
  const testing::TemporaryDirectory directory;
  GcRoots roots(directory.path());
  const std::string holder = GENERATE(as<std::string>(), "", ".", "..", ".a", "a/b", "/a", "a b",
                                      "a\n", "\xc3\xa4", "sha256:1", std::string(201, 'a'));
  CHECK(absl::IsInvalidArgument(roots.Add(holder, {})));
  CHECK(absl::IsInvalidArgument(roots.Remove(holder)));
}

TEST_CASE("GcRoots gives each resolve a directory of its own", "[nix][gc_roots]") {
  const testing::TemporaryDirectory directory;
  GcRoots roots(directory.path());
  CHECK(roots.ResolveLink("7") == directory.Join("resolving/7/root"));
  REQUIRE_OK(MakeDirectories(roots.ResolveLink("7")));
  REQUIRE_OK(roots.RemoveResolveLinks());
  REQUIRE_OK(roots.RemoveResolveLinks());
  CHECK(ListDirectory(directory.path())->empty());
}

}  // namespace
}  // namespace stowage
