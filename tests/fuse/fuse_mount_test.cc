// What containers see of the mount. Needs root and /dev/fuse.

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "fuse/mount_table.h"
#include "fuse/store_page_cache.h"
#include "tests/fuse/fuse_server.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::FuseServer;
using testing::StoreTree;

constexpr int kManyFiles = 500;

// View 1: a tree of every kind, a directory of many files, a file and a symlink as store paths.
void MakeStore(StoreTree& store) {
  const auto program = ReadFile("/bin/true");
  REQUIRE_OK(program);
  store.File("aaa-tree/bin/true", *program, true);
  store.File("aaa-tree/share/text", "some text\n");
  store.File("aaa-tree/share/nothing", "");
  std::string large(5 << 20, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 + (i >> 12));
  store.File("aaa-tree/share/large", large + "odd end");
  store.Directory("aaa-tree/empty");
  store.Symlink("aaa-tree/lib", "share");
  store.Symlink("aaa-tree/dangling", std::string(4000, 'x'));
  std::string deep = "aaa-tree/deep";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&deep, "/d", i);
  store.File(deep + "/end", "deep");
  for (int i = 0; i < kManyFiles; ++i)
    store.File(absl::StrCat("bbb-many/file-", i), absl::StrCat("content ", i));
  store.File("ccc-file", "a store path that is a file\n");
  store.Symlink("ddd-link", "/nix/store/ccc-file");
  const std::vector<std::string> names = {"aaa-tree", "bbb-many", "ccc-file", "ddd-link"};
  std::vector<ViewSlot> slots;
  for (const std::string& name : names) {
    store.Index(name, slots.size() + 1);
    slots.push_back({name, slots.size() + 1});
  }
  store.View(1, slots);
}

struct stat StatLink(const std::string& path) {
  struct stat status {};
  INFO(path);
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

int OpenError(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? 0 : errno;
}

// Compares one entry and everything below it; counts what it saw.
void CompareTrees(const std::string& want_path, const std::string& got_path, int* entries) {
  INFO(got_path);
  ++*entries;
  const struct stat want = StatLink(want_path);
  const struct stat got = StatLink(got_path);
  REQUIRE((got.st_mode & S_IFMT) == (want.st_mode & S_IFMT));
  CHECK(got.st_uid == 0);
  CHECK(got.st_gid == 0);
  CHECK(got.st_mtim.tv_sec == 1);
  CHECK(got.st_mtim.tv_nsec == 0);
  if (S_ISLNK(want.st_mode)) {
    const auto want_target = ReadLinkAt(AT_FDCWD, want_path);
    const auto got_target = ReadLinkAt(AT_FDCWD, got_path);
    REQUIRE_OK(got_target);
    CHECK(*got_target == *want_target);
    CHECK(got.st_size == want.st_size);
    return;
  }
  if (S_ISREG(want.st_mode)) {
    CHECK((got.st_mode & 07777) == ((want.st_mode & 0100) != 0 ? 0555 : 0444));
    CHECK(got.st_size == want.st_size);
    const auto want_content = ReadFile(want_path);
    const auto got_content = ReadFile(got_path);
    REQUIRE_OK(got_content);
    CHECK((*got_content == *want_content));  // extra parentheses: never print megabytes
    return;
  }
  CHECK((got.st_mode & 07777) == 0555);
  std::set<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(got_path.c_str()), ::closedir);
  REQUIRE(directory != nullptr);
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    REQUIRE(names.insert(name).second);
    if (name == "..") continue;  // of the top it is outside of what is compared
    const struct stat status = StatLink(absl::StrCat(got_path, "/", name));
    CHECK(entry->d_ino == status.st_ino);
    CHECK(entry->d_type == (status.st_mode & S_IFMT) >> 12);
  }
  const auto want_names = ListDirectory(want_path);
  REQUIRE_OK(want_names);
  std::set<std::string> expected(want_names->begin(), want_names->end());
  expected.insert({".", ".."});
  REQUIRE(names == expected);
  for (const std::string& name : *want_names)
    CompareTrees(absl::StrCat(want_path, "/", name), absl::StrCat(got_path, "/", name), entries);
}

class MountedStore {
 public:
  MountedStore() {
    MakeStore(store);
    server = std::make_unique<FuseServer>(store.state(), store.store(), store.root() + "/mnt");
  }
  std::string Path(const std::string& below) const {
    return absl::StrCat(server->mount_point(), "/", below);
  }

  StoreTree store;
  std::unique_ptr<FuseServer> server;
};

TEST_CASE("the mount shows the store's trees", "[integration][fuse]") {
  const MountedStore mounted;
  int entries = 0;
  for (int round = 0; round < 2; ++round)  // from the server, then from the kernel's caches
    CompareTrees(mounted.store.store(), mounted.Path("1/nix/store"), &entries);
  CHECK(entries == 2 * (1 + 72 + 1 + kManyFiles + 2));
  int synthetic = 0;
  const struct stat root = StatLink(mounted.Path("1"));
  CHECK((root.st_mode & 07777) == 0555);
  for (const char* directory : {"1", "1/nix"})
    synthetic += static_cast<int>(ListDirectory(mounted.Path(directory))->size());
  CHECK(synthetic == 2);
}

TEST_CASE("the mount is read-only, without extended attributes, and has no blocks of its own",
          "[integration][fuse]") {
  const MountedStore mounted;
  const std::string file = mounted.Path("1/nix/store/ccc-file");
  CHECK(::open(file.c_str(), O_WRONLY | O_CLOEXEC) == -1);
  CHECK(errno == EROFS);
  CHECK(::unlink(file.c_str()) == -1);
  CHECK(errno == EROFS);
  CHECK(::getxattr(file.c_str(), "user.x", nullptr, 0) == -1);
  CHECK(errno == ENODATA);  // with ENOTSUP containerd cannot compare snapshots
  CHECK(::listxattr(file.c_str(), nullptr, 0) <= 0);
  struct statvfs statistics {};
  REQUIRE(::statvfs(file.c_str(), &statistics) == 0);
  CHECK((statistics.f_flag & (ST_RDONLY | ST_NODEV | ST_NOSUID | ST_NOATIME)) ==
        (ST_RDONLY | ST_NODEV | ST_NOSUID | ST_NOATIME));
  CHECK(statistics.f_blocks == 0);
  CHECK(statistics.f_namemax == 255);
  const auto mounts = MountsAt(mounted.server->mount_point());
  REQUIRE_OK(mounts);
  REQUIRE(mounts->size() == 1);
  const auto read_ahead =
      ReadFile(absl::StrCat("/sys/class/bdi/", mounts->front().device, "/read_ahead_kb"));
  REQUIRE_OK(read_ahead);
  CHECK(*read_ahead == "1024\n");
}

TEST_CASE("files can be mapped and read at any place", "[integration][fuse]") {
  const MountedStore mounted;
  const auto want = ReadFile(mounted.store.store() + "/aaa-tree/share/large");
  REQUIRE_OK(want);
  const auto fd = OpenAt(AT_FDCWD, mounted.Path("1/nix/store/aaa-tree/share/large"), O_RDONLY);
  REQUIRE_OK(fd);
  void* bytes = ::mmap(nullptr, want->size(), PROT_READ, MAP_PRIVATE, fd->get(), 0);
  REQUIRE(bytes != MAP_FAILED);
  CHECK((absl::string_view(static_cast<const char*>(bytes), want->size()) == *want));
  (void)::munmap(bytes, want->size());
  char tail[16];
  const auto end = static_cast<off_t>(want->size());
  CHECK(::pread(fd->get(), tail, sizeof tail, end - 3) == 3);
  CHECK(absl::string_view(tail, 3) == "end");
  CHECK(::pread(fd->get(), tail, sizeof tail, end) == 0);
  CHECK(::pread(fd->get(), tail, sizeof tail, end + 100) == 0);
}

// How many pages of a file's first `size` bytes are in the page cache.
int CachedPages(int fd, size_t size) {
  int pages = 0;
  for (size_t offset = 0; offset < size; offset += 4096)
    pages += AnyInPageCache(fd, 4096, offset) ? 1 : 0;
  return pages;
}

TEST_CASE("pages are in memory once, and whoever had them keeps them", "[integration][fuse]") {
  StoreTree store;
  MakeStore(store);
  const std::string path = "aaa-tree/share/large";
  const auto in_store = OpenAt(AT_FDCWD, absl::StrCat(store.store(), "/", path), O_RDONLY);
  REQUIRE_OK(in_store);
  REQUIRE(::fsync(in_store->get()) == 0);
  constexpr size_t kSize = (5 << 20) + 7;
  constexpr int kPages = kSize / 4096 + 1;
  DropFromPageCache(in_store->get(), 0, kSize);
  if (AnyInPageCache(in_store->get(), kSize)) {
    WARN(
        "left out: the kernel does not say what is cached (Linux < 6.5), or this file system "
        "keeps all in memory");
    return;
  }
  const auto content = [&] {
    const FuseServer server(store.state(), store.store(), store.root() + "/mnt");
    return ReadFile(absl::StrCat(server.mount_point(), "/1/nix/store/", path));
  };

  const auto first = content();
  REQUIRE_OK(first);
  if (testing::TestsPassthrough()) {  // the store's are those that the reader uses
    CHECK(CachedPages(in_store->get(), kSize) == kPages);
  } else {  // what two threads had in one folio may stay
    CHECK(CachedPages(in_store->get(), kSize) < kPages / 2);
  }

  const auto of_another = ReadFile(absl::StrCat(store.store(), "/", path));
  REQUIRE_OK(of_another);
  const auto second = content();
  REQUIRE_OK(second);
  CHECK(CachedPages(in_store->get(), kSize) == kPages);
  CHECK((*first == *of_another && *second == *of_another));
}

TEST_CASE("eight threads see the same names and contents", "[integration][fuse]") {
  const MountedStore mounted;
  std::atomic<int> wrong = 0;
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kManyFiles; ++i) {
        const int file = (i * 7 + thread * 61) % kManyFiles;
        const std::string path = mounted.Path(absl::StrCat("1/nix/store/bbb-many/file-", file));
        const auto content = ReadFile(path);
        const bool good = content.ok() && *content == absl::StrCat("content ", file) &&
                          OpenError(path + "-none") == ENOENT;
        ++(good ? right : wrong);
      }
    });
  }
  threads.clear();
  CHECK(wrong == 0);
  CHECK(right == 8 * kManyFiles);
}

TEST_CASE("a view appears and goes while mounted", "[integration][fuse]") {
  MountedStore mounted;
  const std::string root = mounted.server->mount_point();
  using Names = std::vector<std::string>;
  CHECK(*ListDirectory(root) == Names{"1"});
  CHECK(OpenError(mounted.Path("2/nix/store/ccc-file")) == ENOENT);
  mounted.store.View(2, {{"ccc-file", 3}});
  CHECK(OpenError(mounted.Path("2/nix/store/ccc-file")) == 0);
  CHECK(*ListDirectory(root) == Names{"1", "2"});
  CHECK(StatLink(mounted.Path("1/nix/store/ccc-file")).st_ino ==
        StatLink(mounted.Path("2/nix/store/ccc-file")).st_ino);
  REQUIRE(::unlink(mounted.store.ViewPath(2).c_str()) == 0);
  CHECK(OpenError(mounted.Path("2/nix/store/ccc-file")) == ENOENT);
  CHECK(*ListDirectory(root) == Names{"1"});
}

TEST_CASE("a damaged object is EIO and leaves its neighbours alone", "[integration][fuse]") {
  const MountedStore mounted;
  const auto fd = OpenAt(AT_FDCWD, mounted.store.ObjectPath(1), O_WRONLY);
  REQUIRE_OK(fd);
  REQUIRE(::pwrite(fd->get(), "\xee", 1, 20) == 1);
  CHECK(OpenError(mounted.Path("1/nix/store/aaa-tree/share/text")) == EIO);
  const auto names = ListDirectory(mounted.Path("1/nix/store"));
  REQUIRE_OK(names);
  CHECK(names->size() == 4);
  int entries = 0;
  CompareTrees(mounted.store.store() + "/bbb-many", mounted.Path("1/nix/store/bbb-many"), &entries);
  CHECK(entries == 1 + kManyFiles);
  CHECK(OpenError(mounted.Path("1/nix/store/aaa-tree/share/text")) == EIO);
}

TEST_CASE("an overlay over a view runs programs and takes writes", "[integration][fuse]") {
  const MountedStore mounted;
  for (const char* name : {"upper", "work", "merged"})
    REQUIRE_OK(MakeDirectories(absl::StrCat(mounted.store.root(), "/", name)));
  const std::string merged = mounted.store.root() + "/merged";
  const std::string options =
      absl::StrCat("lowerdir=", mounted.Path("1"), ",upperdir=", mounted.store.root(),
                   "/upper,workdir=", mounted.store.root(), "/work");
  REQUIRE(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0);
  SubprocessOptions run;
  run.argv = {merged + "/nix/store/aaa-tree/bin/true"};
  run.deadline = absl::Now() + absl::Seconds(30);
  const auto result = RunSubprocess(run);
  const auto written =
      OpenAt(AT_FDCWD, merged + "/nix/store/aaa-tree/share/text", O_WRONLY | O_APPEND);
  const absl::Status append =
      written.ok() ? WriteAll(written->get(), "more\n", "text") : written.status();
  const auto above = ReadFile(merged + "/nix/store/aaa-tree/share/text");
  const auto below = ReadFile(mounted.Path("1/nix/store/aaa-tree/share/text"));
  (void)::umount2(merged.c_str(), MNT_DETACH);
  REQUIRE_OK(result);
  CHECK(result->exit_code == 0);
  REQUIRE_OK(append);
  CHECK(above.value_or("") == "some text\nmore\n");
  CHECK(below.value_or("") == "some text\n");
}

}  // namespace
}  // namespace stowage
