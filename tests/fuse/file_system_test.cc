#include "fuse/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::StoreTree;

UniqueFd OpenPath(const std::string& path) {
  auto fd = OpenAt(AT_FDCWD, path, O_PATH | O_DIRECTORY);
  REQUIRE_OK(fd);
  return *std::move(fd);
}

// A file system over a store of its own, without the kernel.
class Fixture {
 public:
  explicit Fixture(const IndexDirectoryLimits& limits = {})
      : faults([this](LogLevel, absl::string_view line) { log.emplace_back(line); }),
        indexes(OpenPath(store.state()), &faults, limits),
        files(OpenPath(store.store()), &faults, 4),
        file_system(&indexes, &files, &faults) {}

  // Walks `path`, "1/nix/store/..."; the first error on the way.
  int Walk(const std::string& path, NodeAttributes* attributes) {
    attributes->nodeid = kMountRootNodeId;
    for (const absl::string_view name : absl::StrSplit(path, '/')) {
      const int error = file_system.Lookup(attributes->nodeid, name, attributes);
      if (error != 0) return error;
    }
    return 0;
  }

  uint64_t NodeId(const std::string& path) {
    NodeAttributes attributes;
    REQUIRE(Walk(path, &attributes) == 0);
    return attributes.nodeid;
  }

  // Names with nodeids, read `step` entries at a time.
  std::map<std::string, uint64_t> List(uint64_t nodeid, int step) {
    std::map<std::string, uint64_t> names;
    uint64_t offset = 0;
    for (bool more = true; more;) {
      more = false;
      int left = step;
      REQUIRE(file_system.ReadDirectory(nodeid, offset, [&](const DirectoryEntry& entry) {
        if (left-- == 0) return false;
        REQUIRE(names.emplace(entry.name, entry.attributes.nodeid).second);
        offset = entry.next_offset;
        more = true;
        return true;
      }) == 0);
    }
    return names;
  }

  int ReadFirstByte(const std::string& path) {
    NodeAttributes attributes;
    if (const int error = Walk(path, &attributes); error != 0) return -error;
    OpenedFile file;
    if (const int error = file_system.OpenFile(attributes.nodeid, &file); error != 0) return -error;
    char byte;
    REQUIRE(::pread(file.file->fd.get(), &byte, 1, 0) == 1);
    return byte;
  }

  StoreTree store;
  std::vector<std::string> log;
  FaultLog faults;
  IndexDirectory indexes;
  StoreFiles files;
  FileSystem file_system;
};

// Views 1 and 2 share the object bbb-y.
void MakeTwoViews(StoreTree& store) {
  store.File("aaa-x/bin/run", "R", true);
  store.File("aaa-x/data", "D12");
  store.Symlink("aaa-x/link", "bin/run");
  store.File("bbb-y", "B");
  store.Index("aaa-x", 1);
  store.Index("bbb-y", 2);
  store.View(1, {{"aaa-x", 1}, {"bbb-y", 2}});
  store.View(2, {{"bbb-y", 2}});
}

// How many files of a directory this process has open.
int OpenFilesBelow(const std::string& directory) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry, error);
    if (absl::StartsWith(target, directory + "/")) ++count;
  }
  return count;
}

TEST_CASE("attributes are those of a Nix store", "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  const auto [path, mode, size] = GENERATE(table<std::string, mode_t, uint64_t>({
      {"1", S_IFDIR | 0555, 0},
      {"1/nix", S_IFDIR | 0555, 0},
      {"1/nix/store", S_IFDIR | 0555, 0},
      {"1/nix/store/aaa-x", S_IFDIR | 0555, 0},
      {"1/nix/store/aaa-x/bin/run", S_IFREG | 0555, 1},
      {"1/nix/store/aaa-x/data", S_IFREG | 0444, 3},
      {"1/nix/store/aaa-x/link", S_IFLNK | 0777, 7},
      {"1/nix/store/bbb-y", S_IFREG | 0444, 1},
  }));
  INFO(path);
  NodeAttributes looked_up;
  NodeAttributes gotten;
  REQUIRE(fixture.Walk(path, &looked_up) == 0);
  REQUIRE(fixture.file_system.GetAttributes(looked_up.nodeid, &gotten) == 0);
  for (const NodeAttributes& attributes : {looked_up, gotten}) {
    CHECK(attributes.mode == mode);
    CHECK(attributes.size_bytes == size);
    CHECK(attributes.modified.tv_sec == 1);
  }
  CHECK(looked_up.immutable == (path != "1"));
}

TEST_CASE("a regular file is one inode in all views, a directory one in each",
          "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  fixture.store.View(3, {{"aaa-x", 1}});
  CHECK(fixture.NodeId("1/nix/store/bbb-y") == fixture.NodeId("2/nix/store/bbb-y"));
  CHECK(fixture.NodeId("1/nix/store/aaa-x/data") == fixture.NodeId("3/nix/store/aaa-x/data"));
  CHECK(fixture.NodeId("1/nix/store/aaa-x") != fixture.NodeId("3/nix/store/aaa-x"));
  CHECK(fixture.NodeId("1/nix/store/aaa-x/link") != fixture.NodeId("3/nix/store/aaa-x/link"));
}

TEST_CASE("a listing has every entry once, whatever the buffer, and the inodes of lookups",
          "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  const int step = GENERATE(1, 2, 3, 100);
  const auto [path, parent, want] =
      GENERATE(table<std::string, std::string, std::vector<std::string>>(
          {{"1", "", {"nix"}},
           {"1/nix", "1", {"store"}},
           {"1/nix/store", "1/nix", {"aaa-x", "bbb-y"}},
           {"1/nix/store/aaa-x", "1/nix/store", {"bin", "data", "link"}},
           {"1/nix/store/aaa-x/bin", "1/nix/store/aaa-x", {"run"}}}));
  const uint64_t self = fixture.NodeId(path);
  std::map<std::string, uint64_t> expected = {
      {".", self}, {"..", parent.empty() ? kMountRootNodeId : fixture.NodeId(parent)}};
  for (const std::string& name : want) expected[name] = fixture.NodeId(path + "/" + name);
  CHECK(fixture.List(self, step) == expected);
}

TEST_CASE("the root lists the views that there are", "[fuse][file_system]") {
  Fixture fixture;
  fixture.store.View(10, {});
  fixture.store.View(9, {});
  REQUIRE_OK(OpenAt(AT_FDCWD, fixture.store.ViewPath(11) + ".tmp-x", O_CREAT | O_WRONLY, 0644));
  using Names = std::map<std::string, uint64_t>;
  const Names two = {{".", 1}, {"..", 1}, {"9", TreeNodeId(9, 0, 0)}, {"10", TreeNodeId(10, 0, 0)}};
  CHECK(fixture.List(kMountRootNodeId, 1) == two);
  REQUIRE(::unlink(fixture.store.ViewPath(9).c_str()) == 0);
  CHECK(fixture.List(kMountRootNodeId, 100) ==
        Names{{".", 1}, {"..", 1}, {"10", TreeNodeId(10, 0, 0)}});
}

TEST_CASE("only the plain number of a view that is there is a name in the root",
          "[fuse][file_system]") {
  Fixture fixture;
  fixture.store.View(12, {});
  NodeAttributes attributes;
  CHECK(fixture.Walk("12", &attributes) == 0);
  for (const char* name : {"13", "012", "+12", " 12", "12 ", "0", "-1", "x", "1048576",
                           "18446744073709551628", "../views"})
    CHECK(fixture.file_system.Lookup(kMountRootNodeId, name, &attributes) == ENOENT);
}

TEST_CASE("a view appears with its file and goes with it", "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  NodeAttributes attributes;
  CHECK(fixture.Walk("3", &attributes) == ENOENT);
  fixture.store.View(3, {{"bbb-y", 2}});
  REQUIRE(fixture.Walk("3/nix/store", &attributes) == 0);
  const uint64_t directory = attributes.nodeid;
  REQUIRE(::unlink(fixture.store.ViewPath(3).c_str()) == 0);
  CHECK(fixture.Walk("3", &attributes) == ENOENT);
  CHECK(fixture.file_system.GetAttributes(directory, &attributes) == ESTALE);
  CHECK(fixture.file_system.Lookup(directory, "bbb-y", &attributes) == ESTALE);
}

TEST_CASE("a damaged object is EIO, listed, logged once, and harms no other",
          "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  const auto fd = OpenAt(AT_FDCWD, fixture.store.ObjectPath(1), O_WRONLY);
  REQUIRE_OK(fd);
  const off_t place = GENERATE(3 /* header */, 64 /* record 0 */);
  REQUIRE(::pwrite(fd->get(), "\xee", 1, place) == 1);
  NodeAttributes attributes;
  for (int i = 0; i < 3; ++i) CHECK(fixture.Walk("1/nix/store/aaa-x", &attributes) == EIO);
  CHECK(fixture.List(fixture.NodeId("1/nix/store"), 100).size() == 4);
  CHECK(fixture.ReadFirstByte("1/nix/store/bbb-y") == 'B');
  REQUIRE(fixture.log.size() == 1);
  CHECK(absl::StrContains(fixture.log[0], "object=1 "));
}

TEST_CASE("a store that is not as it was indexed is EIO and logged once per object",
          "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  const std::string file = fixture.store.store() + "/aaa-x/data";
  SECTION("longer") { fixture.store.File("aaa-x/data", "D123"); }
  SECTION("gone") { REQUIRE(::unlink(file.c_str()) == 0); }
  SECTION("a symlink") {
    REQUIRE(::unlink(file.c_str()) == 0);
    fixture.store.Symlink("aaa-x/data", "bin/run");
  }
  SECTION("a fifo") {
    REQUIRE(::unlink(file.c_str()) == 0);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  }
  SECTION("below a symlink") {
    REQUIRE(::rename((fixture.store.store() + "/aaa-x").c_str(),
                     (fixture.store.store() + "/moved").c_str()) == 0);
    fixture.store.Symlink("aaa-x", "moved");
  }
  for (int i = 0; i < 3; ++i) CHECK(fixture.ReadFirstByte("1/nix/store/aaa-x/data") == -EIO);
  CHECK(fixture.ReadFirstByte("1/nix/store/bbb-y") == 'B');
  REQUIRE(fixture.log.size() == 1);
  CHECK(absl::StrContains(fixture.log[0], "object=1 "));
  CHECK(absl::StrContains(fixture.log[0], "aaa-x/data"));
}

TEST_CASE("files beyond a path's greatest length can be read", "[fuse][file_system]") {
  Fixture fixture;
  // Made from below: no system call takes a path as long as this one.
  UniqueFd directory = OpenPath(fixture.store.store());
  std::string path = "1/nix/store";
  for (int i = 0; i < 30; ++i) {
    const std::string name = i == 0 ? "aaa-long" : std::string(200, 'n');
    REQUIRE(::mkdirat(directory.get(), name.c_str(), 0755) == 0);
    auto below = OpenAt(directory.get(), name, O_PATH | O_DIRECTORY);
    REQUIRE_OK(below);
    directory = *std::move(below);
    absl::StrAppend(&path, "/", name);
  }
  const auto file = OpenAt(directory.get(), "end", O_CREAT | O_WRONLY, 0644);
  REQUIRE_OK(file);
  REQUIRE_OK(WriteAll(file->get(), "E", "end"));
  fixture.store.Index("aaa-long", 1);
  fixture.store.View(1, {{"aaa-long", 1}});
  CHECK(fixture.ReadFirstByte(path + "/end") == 'E');
}

TEST_CASE("more objects than fit into memory or descriptors are served all the same",
          "[fuse][file_system]") {
  IndexDirectoryLimits limits;
  limits.max_objects = 2;
  limits.max_views = 1;
  Fixture fixture(limits);
  std::vector<ViewSlot> slots;
  for (uint64_t i = 1; i <= 20; ++i) {
    const std::string name = absl::StrCat("path-", 100 + i);
    fixture.store.File(name, std::string(1, static_cast<char>('a' + i)));
    fixture.store.Index(name, i);
    slots.push_back({name, i});
  }
  fixture.store.View(1, slots);
  fixture.store.View(2, slots);
  for (int round = 0; round < 2; ++round) {
    for (uint64_t i = 1; i <= 20; ++i) {
      for (const int view : {1, 2})
        REQUIRE(fixture.ReadFirstByte(absl::StrCat(view, "/nix/store/path-", 100 + i)) ==
                static_cast<char>('a' + i));
    }
  }
}

TEST_CASE("requests that do not fit the kind of node are refused", "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  NodeAttributes attributes;
  std::string target;
  OpenedFile file;
  const uint64_t regular = fixture.NodeId("1/nix/store/aaa-x/data");
  const uint64_t directory = fixture.NodeId("1/nix/store/aaa-x");
  const uint64_t link = fixture.NodeId("1/nix/store/aaa-x/link");
  const auto nothing = [](const DirectoryEntry&) { return true; };
  CHECK(fixture.file_system.ReadLink(link, &target) == 0);
  CHECK(target == "bin/run");
  CHECK(fixture.file_system.ReadLink(regular, &target) == EINVAL);
  CHECK(fixture.file_system.ReadLink(directory, &target) == EINVAL);
  CHECK(fixture.file_system.ReadLink(kMountRootNodeId, &target) == EINVAL);
  CHECK(fixture.file_system.OpenFile(directory, &file) == EISDIR);
  CHECK(fixture.file_system.Lookup(regular, "x", &attributes) == ENOTDIR);
  CHECK(fixture.file_system.Lookup(link, "x", &attributes) == ENOTDIR);
  CHECK(fixture.file_system.ReadDirectory(regular, 0, nothing) == ENOTDIR);
  CHECK(fixture.file_system.ReadDirectory(link, 0, nothing) == ENOTDIR);
}

TEST_CASE("nodeids that nobody was given are ESTALE", "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  NodeAttributes attributes;
  const uint64_t nodeid =
      GENERATE(uint64_t{0}, uint64_t{2}, ~uint64_t{0}, TreeNodeId(9, 0, 0), TreeNodeId(1, 0, 3),
               TreeNodeId(1, 3, 0), TreeNodeId(1, 1, 1000), RegularFileNodeId(9, 0),
               RegularFileNodeId(1, 99), RegularFileNodeId(1, 0), TreeNodeId(1, 2, 0));
  INFO(nodeid);
  CHECK(fixture.file_system.GetAttributes(nodeid, &attributes) == ESTALE);
  CHECK(fixture.file_system.Lookup(nodeid, "x", &attributes) == ESTALE);
}

TEST_CASE("the store files of a removed object are closed, those of others are kept open",
          "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  REQUIRE(fixture.ReadFirstByte("1/nix/store/aaa-x/data") == 'D');
  REQUIRE(fixture.ReadFirstByte("1/nix/store/aaa-x/bin/run") == 'R');
  REQUIRE(fixture.ReadFirstByte("1/nix/store/bbb-y") == 'B');
  CHECK(OpenFilesBelow(fixture.store.store()) == 3);
  fixture.files.Forget(1);
  CHECK(OpenFilesBelow(fixture.store.store()) == 1);
  CHECK(fixture.ReadFirstByte("1/nix/store/aaa-x/data") == 'D');
  CHECK(OpenFilesBelow(fixture.store.store()) == 2);
  fixture.files.Forget(std::nullopt);
  CHECK(OpenFilesBelow(fixture.store.store()) == 0);
}

// Object 2 is promised: its file is not there, but one below promises/ is.
void Promise(StoreTree& store) {
  REQUIRE_OK(RemoveTree(store.state() + "/objects/2"));
  REQUIRE_OK(MakeDirectories(store.state() + "/promises"));
  REQUIRE_OK(WriteFileAtomically(store.state() + "/promises/2", ""));
}

TEST_CASE("who looks into a promised object is told to wait for it, until it is there",
          "[fuse][file_system]") {
  Fixture fixture;
  MakeTwoViews(fixture.store);
  const uint64_t file = fixture.NodeId("1/nix/store/bbb-y");
  const uint64_t store_directory = fixture.NodeId("1/nix/store");
  fixture.indexes.ForgetObjects(2);
  Promise(fixture.store);

  NodeAttributes attributes;
  OpenedFile opened;
  uint64_t promised = 0;
  CHECK(fixture.file_system.Lookup(store_directory, "bbb-y", &attributes, &promised) == EAGAIN);
  CHECK(promised == 2);
  promised = 0;
  CHECK(fixture.file_system.GetAttributes(file, &attributes, &promised) == EAGAIN);
  CHECK(promised == 2);
  promised = 0;
  CHECK(fixture.file_system.OpenFile(file, &opened, &promised) == EAGAIN);
  CHECK(promised == 2);
  // Nobody else waits, and the listing does not.
  CHECK(fixture.ReadFirstByte("1/nix/store/aaa-x/data") == 'D');
  CHECK(fixture.List(store_directory, 100).contains("bbb-y"));
  CHECK(fixture.log.empty());

  fixture.store.Index("bbb-y", 2);  // before the promise goes
  CHECK(fixture.ReadFirstByte("1/nix/store/bbb-y") == 'B');
}

}  // namespace
}  // namespace stowage
