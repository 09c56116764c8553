#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "fuse/index_writer.h"
#include "fuse/nodeid.h"
#include "fuse/object_index.h"
#include "fuse/view_index.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::StoreTree;

// One line per entry: what a tree is to a reader.
using Tree = std::map<std::string, std::string>;

void DescribeDisk(const std::string& path, const std::string& shown, Tree& tree) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) FAIL("lstat " << path);
  if (S_ISLNK(status.st_mode)) {
    std::string target(static_cast<size_t>(status.st_size), '\0');
    REQUIRE(::readlink(path.c_str(), target.data(), target.size()) == status.st_size);
    tree[shown] = "link " + target;
  } else if (S_ISREG(status.st_mode)) {
    tree[shown] = absl::StrCat((status.st_mode & 0100) != 0 ? "program " : "file ", status.st_size);
  } else {
    tree[shown] = "directory";
    const auto names = ListDirectory(path);
    REQUIRE_OK(names);
    for (const std::string& name : *names)
      DescribeDisk(absl::StrCat(path, "/", name), absl::StrCat(shown, "/", name), tree);
  }
}

// By the reader's lookups and listing, with the parents and paths checked on the way.
void DescribeIndex(const ObjectIndex& index, const ObjectEntry& entry, const std::string& shown,
                   Tree& tree) {
  std::string path;
  if (index.PathOf(entry.index, &path) != 0 || path != shown) FAIL(shown << " is called " << path);
  switch (entry.kind) {
    case EntryKind::kRegular:
      tree[shown] = absl::StrCat("file ", entry.size_bytes);
      return;
    case EntryKind::kExecutable:
      tree[shown] = absl::StrCat("program ", entry.size_bytes);
      return;
    case EntryKind::kSymlink:
      tree[shown] = absl::StrCat("link ", entry.target);
      return;
    case EntryKind::kDirectory:
      tree[shown] = "directory";
  }
  for (uint32_t i = 0; i < entry.child_count; ++i) {
    ObjectEntry child;
    ObjectEntry found;
    // One check, because each costs, and there are thousands of children.
    const bool found_again =
        index.ReadEntry(entry.first_child + i, &child) == 0 && child.parent == entry.index &&
        index.FindChild(entry, child.name, &found) == 0 && found.index == child.index;
    if (!found_again) FAIL("child " << i << " of " << shown);
    DescribeIndex(index, child, absl::StrCat(shown, "/", child.name), tree);
  }
}

void CheckRoundTrip(StoreTree& store, const std::string& base_name) {
  const ObjectIndexSummary summary = store.Index(base_name, 7);
  const auto index = ObjectIndex::Open(AT_FDCWD, store.ObjectPath(7), 7);
  REQUIRE_OK(index);
  CHECK(index->VerifyContent().ok());
  Tree want;
  Tree got;
  DescribeDisk(absl::StrCat(store.store(), "/", base_name), base_name, want);
  ObjectEntry top;
  REQUIRE(index->ReadEntry(0, &top) == 0);
  DescribeIndex(*index, top, base_name, got);
  CHECK(got == want);
  CHECK(summary.entries == want.size());
  CHECK(index->entry_count() == want.size());
  CHECK(index->file_bytes() == summary.file_bytes);
}

TEST_CASE("an object index shows the tree that was indexed", "[fuse][object_index]") {
  StoreTree store;
  store.Directory("aaa-tree/empty");
  store.File("aaa-tree/bin/run", "#!/bin/sh\n", true);
  store.File("aaa-tree/share/readme", "hello");
  store.File("aaa-tree/share/nothing", "");
  store.File("aaa-tree/odd/ leading space", "1");
  store.File("aaa-tree/odd/new\nline", "22");
  store.File("aaa-tree/odd/\xff\xfe not utf-8", "333");
  store.File("aaa-tree/odd/\\", "4444");
  store.File("aaa-tree/odd/~", "55555");
  store.File("aaa-tree/odd/...", "666666");
  store.File("aaa-tree/odd/" + std::string(255, 'n'), "7777777");
  store.Symlink("aaa-tree/lib", "share");
  store.Symlink("aaa-tree/long", std::string(4000, 'x'));
  CheckRoundTrip(store, "aaa-tree");
}

TEST_CASE("an object index shows an empty directory", "[fuse][object_index]") {
  StoreTree store;
  store.Directory("aaa-empty");
  CheckRoundTrip(store, "aaa-empty");
}

TEST_CASE("an object index shows a store path that is a file, program or symlink",
          "[fuse][object_index]") {
  StoreTree store;
  store.File("aaa-file", "content");
  store.File("bbb-program", "content", true);
  store.Symlink("ccc-link", "/nix/store/aaa-file");
  CheckRoundTrip(store, "aaa-file");
  CheckRoundTrip(store, "bbb-program");
  CheckRoundTrip(store, "ccc-link");
}

TEST_CASE("an object index shows a directory of 3000 names", "[fuse][object_index]") {
  StoreTree store;
  // Links to one file: thousands of inodes take some file systems seconds to remove.
  store.File("aaa-huge/name-0", "content");
  for (int i = 1; i < 3000; ++i) {
    const std::string name = absl::StrCat("aaa-huge/name-", i);
    if (::linkat(store.store_fd(), "aaa-huge/name-0", store.store_fd(), name.c_str(), 0) != 0)
      FAIL(name);
  }
  CheckRoundTrip(store, "aaa-huge");
}

TEST_CASE("an object index shows a tree of 60 levels", "[fuse][object_index]") {
  StoreTree store;
  std::string path = "aaa-deep";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&path, "/", i, std::string(40, 'd'));
  store.File(path + "/end", "x");
  CheckRoundTrip(store, "aaa-deep");
}

TEST_CASE("a name that is not there is ENOENT, below a file ENOTDIR", "[fuse][object_index]") {
  StoreTree store;
  for (const char* name : {"b", "d", "f"}) store.File(absl::StrCat("aaa-x/", name), "");
  store.Index("aaa-x", 1);
  const auto index = ObjectIndex::Open(AT_FDCWD, store.ObjectPath(1), 1);
  REQUIRE_OK(index);
  ObjectEntry top;
  ObjectEntry child;
  REQUIRE(index->ReadEntry(0, &top) == 0);
  for (const char* name : {"", "a", "c", "e", "g", "bb", "..", "."})
    CHECK(index->FindChild(top, name, &child) == ENOENT);
  REQUIRE(index->FindChild(top, "d", &child) == 0);
  CHECK(index->FindChild(child, "x", &child) == ENOTDIR);
  CHECK(index->ReadEntry(index->entry_count(), &child) == ESTALE);
}

TEST_CASE("what a store path cannot hold is refused by name", "[fuse][index_writer]") {
  StoreTree store;
  store.File("aaa-x/sub/file", "");
  REQUIRE(::mkfifo(absl::StrCat(store.store(), "/aaa-x/sub/pipe").c_str(), 0600) == 0);
  const auto refused = WriteObjectIndex(store.store_fd(), "aaa-x", 1, store.ObjectPath(1));
  CHECK(absl::IsInvalidArgument(refused.status()));
  CHECK(absl::StrContains(refused.status().message(), "aaa-x/sub/pipe"));
  CHECK(absl::IsNotFound(
      WriteObjectIndex(store.store_fd(), "nothing", 1, store.ObjectPath(1)).status()));
  for (const char* name : {"", ".", "..", "a/b"})
    CHECK(absl::IsInvalidArgument(
        WriteObjectIndex(store.store_fd(), name, 1, store.ObjectPath(1)).status()));
  for (const uint64_t number : {uint64_t{0}, kMaxObjectNumber + 1})
    CHECK(absl::IsInvalidArgument(
        WriteObjectIndex(store.store_fd(), "aaa-x", number, store.ObjectPath(1)).status()));
  const auto left = ListDirectory(store.state() + "/objects");
  REQUIRE_OK(left);
  CHECK(left->empty());
}

TEST_CASE("a view gives its slots by number and by name", "[fuse][view_index]") {
  StoreTree store;
  std::vector<ViewSlot> slots;
  for (uint64_t i = 1; i <= 1000; ++i)
    slots.push_back({absl::StrCat("hash-", 1000 + i), i == 1000 ? kMaxObjectNumber : i * 3});
  store.View(kMaxViewNumber, slots);
  const auto view = ViewIndex::Open(AT_FDCWD, store.ViewPath(kMaxViewNumber), kMaxViewNumber);
  REQUIRE_OK(view);
  CHECK(view->VerifyContent().ok());
  REQUIRE(view->slot_count() == slots.size());
  ViewEntry entry;
  for (uint32_t slot = 1; slot <= slots.size(); ++slot) {
    REQUIRE(view->ReadSlot(slot, &entry) == 0);
    REQUIRE(entry.name == slots[slot - 1].base_name);
    REQUIRE(view->FindName(slots[slot - 1].base_name, &entry) == 0);
    REQUIRE(entry.slot == slot);
    REQUIRE(entry.object_number == slots[slot - 1].object_number);
  }
  CHECK(view->FindName("hash-", &entry) == ENOENT);
  CHECK(view->FindName("hash-9", &entry) == ENOENT);
  CHECK(view->ReadSlot(0, &entry) == ESTALE);
  CHECK(view->ReadSlot(1001, &entry) == ESTALE);
}

TEST_CASE("a view may be empty", "[fuse][view_index]") {
  StoreTree store;
  store.View(1, {});
  const auto view = ViewIndex::Open(AT_FDCWD, store.ViewPath(1), 1);
  REQUIRE_OK(view);
  ViewEntry entry;
  CHECK(view->slot_count() == 0);
  CHECK(view->FindName("a", &entry) == ENOENT);
}

TEST_CASE("WriteView refuses what a reader could not serve", "[fuse][index_writer]") {
  StoreTree store;
  const auto write = [&](uint64_t number, const std::vector<ViewSlot>& slots) {
    return WriteView(number, slots, store.ViewPath(1));
  };
  CHECK(absl::IsInvalidArgument(write(0, {})));
  CHECK(absl::IsInvalidArgument(write(kMaxViewNumber + 1, {})));
  CHECK(absl::IsInvalidArgument(write(1, {{"b", 1}, {"a", 2}})));
  CHECK(absl::IsInvalidArgument(write(1, {{"a", 1}, {"a", 2}})));
  CHECK(absl::IsInvalidArgument(write(1, {{"a", 0}})));
  CHECK(absl::IsInvalidArgument(write(1, {{"a", kMaxObjectNumber + 1}})));
  CHECK(absl::IsInvalidArgument(write(1, {{"", 1}})));
  CHECK(absl::IsInvalidArgument(write(1, {{"a/b", 1}})));
  CHECK(absl::IsInvalidArgument(write(1, {{"..", 1}})));
  CHECK(absl::IsInvalidArgument(write(1, {{std::string(256, 'a'), 1}})));
  CHECK(absl::IsNotFound(WriteView(1, {}, store.root() + "/missing/1")));
  CHECK(absl::IsNotFound(ViewIndex::Open(AT_FDCWD, store.ViewPath(1), 1).status()));
}

}  // namespace
}  // namespace stowage
