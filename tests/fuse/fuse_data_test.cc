// How files' bytes reach a reader, in each data mode. Needs root and /dev/fuse.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/fuse_mount_source.h"
#include "fuse/backing_files.h"
#include "fuse/mount_table.h"
#include "fuse/saved_session.h"
#include "fuse/store_page_cache.h"
#include "tests/fuse/fuse_server.h"
#include "tests/fuse/living_store.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::Eventually;
using testing::FuseServer;
using testing::FuseServerOptions;
using testing::LivingStore;
using testing::OpenSession;
using testing::RecordsOf;
using testing::StoreTree;
using testing::TestsPassthrough;

FuseServerOptions InMode(const std::string& mode) {
  FuseServerOptions options;
  options.data_mode = mode;
  return options;
}

// "" or the system's word.
std::string ReadError(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::strerror(errno);
  char buffer[64];
  return ::read(fd.get(), buffer, sizeof buffer) < 0 ? std::strerror(errno) : "";
}

int Count(const std::string& text, const std::string& word) {
  return static_cast<int>(std::vector<std::string>(absl::StrSplit(text, word)).size()) - 1;
}

// A store whose file system gives EIO for the content of some files: another server's mount, whose
// own store has lost them.
class FailingStore {
 public:
  FailingStore() : lower(InMode("cached")) {
    upper.File("bbb-file/here", "found");
    REQUIRE_OK(WriteObjectIndex(lower.store.store_fd(), "aaa-many", 1, upper.ObjectPath(1)));
    upper.View(1, {{"aaa-many", 1}});
    server = std::make_unique<FuseServer>(
        upper.state(), absl::StrCat(lower.mount_point, "/1/nix/store"), upper.root() + "/mnt");
  }
  std::string Lower(int file) const {
    return absl::StrCat(lower.store.store(), "/aaa-many/file-", file);
  }
  std::string Upper(int file) const {
    return absl::StrCat(server->mount_point(), "/1/nix/store/aaa-many/file-", file);
  }

  LivingStore lower;
  StoreTree upper;
  std::unique_ptr<FuseServer> server;
};

TEST_CASE("an error of the store's file system is the reader's, and the log's once",
          "[integration][fuse]") {
  FailingStore failing;
  for (const int file : {1, 2, 3}) REQUIRE(::unlink(failing.Lower(file).c_str()) == 0);
  for (const int file : {1, 2, 3}) {
    CHECK(ReadError(failing.Upper(file)) == "Input/output error");
    CHECK(ReadError(failing.Upper(file)) == "Input/output error");
  }
  CHECK(ReadError(failing.Upper(4)).empty());
  const std::string log = failing.server->Log();
  // In passthrough the kernel answers the reader by itself.
  CHECK(Count(log, "store_file_unreadable") == (TestsPassthrough() ? 0 : 1));
  if (!TestsPassthrough())
    CHECK(
        absl::StrContains(log, "object=1 error=\"read aaa-many/file-1 in the store: Input/output"));
}

TEST_CASE("a file that is shortened while it is open is EIO, not one that ends early",
          "[integration][fuse]") {
  if (TestsPassthrough()) return;  // there the reader has the store's file itself
  StoreTree store;
  store.File("aaa-file", std::string(4 << 20, 'x'));
  store.Index("aaa-file", 1);
  store.View(1, {{"aaa-file", 1}});
  const FuseServer server(store.state(), store.store(), store.root() + "/mnt");
  const auto fd = OpenAt(AT_FDCWD, server.mount_point() + "/1/nix/store/aaa-file", O_RDONLY);
  REQUIRE_OK(fd);
  char byte;
  REQUIRE(::pread(fd->get(), &byte, 1, 0) == 1);
  REQUIRE(::truncate((store.store() + "/aaa-file").c_str(), 100) == 0);
  CHECK(::pread(fd->get(), &byte, 1, 3 << 20) == -1);
  CHECK(errno == EIO);
  CHECK(::pread(fd->get(), &byte, 1, (3 << 20) + 8192) == -1);
  CHECK(Count(server.Log(), "aaa-file has 100 bytes, had 4194304") == 1);
}

TEST_CASE("mountinfo tells the settings", "[integration][fuse]") {
  const LivingStore living;
  const auto mounts = MountsAt(living.mount_point);
  REQUIRE_OK(mounts);
  CHECK(FuseMountSettingsAt(*mounts, living.mount_point).data == testing::TestedDataMode());
  CHECK(FuseMountSettingsAt(*mounts, living.mount_point).extended_attributes);
}

// An overlay over a directory, as a store.
class StackedStore {
 public:
  explicit StackedStore(const StoreTree& tree) : path(tree.root() + "/stacked") {
    REQUIRE_OK(MakeDirectories(path));
    REQUIRE_OK(MakeDirectories(tree.root() + "/empty"));
    const std::string lower = absl::StrCat("lowerdir=", tree.root(), "/empty:", tree.store());
    REQUIRE(::mount("overlay", path.c_str(), "overlay", MS_RDONLY, lower.c_str()) == 0);
  }
  ~StackedStore() { (void)::umount2(path.c_str(), MNT_DETACH); }

  const std::string path;
};

TEST_CASE("passthrough is refused for a store on a stacked file system, and auto does without",
          "[integration][fuse]") {
  StoreTree store;
  store.File("aaa-file", "content");
  store.Index("aaa-file", 1);
  store.View(1, {{"aaa-file", 1}});
  const StackedStore stacked(store);
  std::string error;
  CHECK(testing::RunFuseProgram({"--state", store.state(), "--store", stacked.path, "--mountpoint",
                                 store.root() + "/mnt", "--data", "passthrough"},
                                &error) == 1);
  CHECK(absl::StrContains(error, "data mode passthrough: "));
  if (TestsPassthrough()) CHECK(absl::StrContains(error, "stacked on another one"));
  CHECK(testing::DeviceAt(store.root() + "/mnt").empty());
  const FuseServer server(store.state(), stacked.path, store.root() + "/mnt", InMode("auto"));
  CHECK(absl::StrContains(server.Log(), "passthrough_unavailable error="));
  const auto content = ReadFile(server.mount_point() + "/1/nix/store/aaa-file");
  REQUIRE_OK(content);
  CHECK(*content == "content");
}

TEST_CASE("the configuration says how a new mount is", "[integration][fuse]") {
  StoreTree store;
  const std::string config = store.root() + "/config.toml";
  const auto write = [&](const std::string& text) {
    const auto fd = OpenAt(AT_FDCWD, config, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    REQUIRE_OK(fd);
    REQUIRE_OK(WriteAll(fd->get(), text, config));
  };
  FuseServerOptions options = InMode("");
  options.arguments = {"--config=" + config};
  const auto settings = [&] {
    const FuseServer server(store.state(), store.store(), store.root() + "/mnt", options);
    const auto mounts = MountsAt(server.mount_point());
    REQUIRE_OK(mounts);
    return FuseMountSettingsAt(*mounts, server.mount_point());
  };
  CHECK(settings().data == "cached");
  write("[source]\nlocation = \"/x\"\n[fuse]\ndata = \"" + testing::TestedDataMode() + "\"\n");
  CHECK(settings().data == testing::TestedDataMode());
  CHECK(settings().extended_attributes);
  write("[fuse]\nextended_attributes = false\ndata = \"" + testing::TestedDataMode() + "\"\n");
  CHECK(settings().data == testing::TestedDataMode());
  CHECK_FALSE(settings().extended_attributes);
  std::string error;
  const auto refused = [&] {
    return testing::RunFuseProgram({"--state", store.state(), "--store", store.store(),
                                    "--mountpoint", store.root() + "/mnt", "--config", config},
                                   &error) == 1;
  };
  write("[fuse]\ndata = \"direct\"\n");
  CHECK(refused());
  CHECK(absl::StrContains(error, "config.toml:2: fuse.data must be"));
  write("[fuse]\n\nextended_attributes = 0\n");
  CHECK(refused());
  CHECK(absl::StrContains(error, "config.toml:3: fuse.extended_attributes must be true or false"));
  write("[fuse\n");
  CHECK(refused());
  CHECK(absl::StrContains(error, "config.toml:1:"));
}

TEST_CASE("without extended attributes the kernel is told so once, by whichever worker",
          "[integration][fuse]") {
  StoreTree store;
  for (const char* name : {"aaa/first", "aaa/second"}) store.File(name, "content");
  store.Index("aaa", 1);
  store.View(1, {{"aaa", 1}});
  FuseServerOptions options;
  options.arguments = {"--no-extended-attributes"};
  const FuseServer server(store.state(), store.store(), store.root() + "/mnt", options);
  const std::string directory = server.mount_point() + "/1/nix/store/aaa";
  const auto first = OpenAt(AT_FDCWD, directory + "/first", O_RDONLY);
  const auto second = OpenAt(AT_FDCWD, directory + "/second", O_RDONLY);
  REQUIRE_OK(first);
  REQUIRE_OK(second);
  const pid_t killed = server.Worker();
  REQUIRE(::kill(killed, SIGKILL) == 0);
  REQUIRE(Eventually([&] { return server.Worker() != killed; }));
  const auto ask = [](const UniqueFd& file) {
    return ::fgetxattr(file.get(), "trusted.overlay.metacopy", nullptr, 0) == -1 ? errno : 0;
  };
  CHECK(ask(*first) == EOPNOTSUPP);
  // Nobody is asked any more, not about another file either.
  const pid_t stopped = server.Worker();
  REQUIRE(::kill(stopped, SIGSTOP) == 0);
  CHECK(ask(*second) == EOPNOTSUPP);
  REQUIRE(::kill(stopped, SIGCONT) == 0);
  const auto mounts = MountsAt(server.mount_point());
  REQUIRE_OK(mounts);
  CHECK_FALSE(FuseMountSettingsAt(*mounts, server.mount_point()).extended_attributes);
}

TEST_CASE("an SELinux context is refused where it is none, and where the kernel has no SELinux",
          "[integration][fuse]") {
  StoreTree store;
  const auto refusal = [&](const std::string& context) {
    std::string error;
    CHECK(
        testing::RunFuseProgram({"--state", store.state(), "--store", store.store(), "--mountpoint",
                                 store.root() + "/mnt", "--selinux-context", context},
                                &error) == 1);
    return error;
  };
  CHECK(absl::StrContains(refusal("system_u:object_r:t:s0\",suid"), "is no SELinux context"));
  const auto mounts = MountsAt(store.root() + "/mnt");
  REQUIRE_OK(mounts);
  CHECK(mounts->empty());
  const auto file_systems = ReadFile("/proc/filesystems");
  REQUIRE_OK(file_systems);
  if (absl::StrContains(*file_systems, "selinuxfs")) return;
  CHECK(absl::StrContains(refusal("system_u:object_r:container_ro_file_t:s0"),
                          "this kernel runs without SELinux"));
}

TEST_CASE("in passthrough an open file is read without any worker", "[integration][fuse]") {
  if (!TestsPassthrough()) return;
  const LivingStore living;
  const auto fd = OpenAt(AT_FDCWD, living.FilePath(1, 7), O_RDONLY);
  REQUIRE_OK(fd);
  const pid_t keeper = living.server->Keeper();
  const pid_t worker = living.server->Worker();
  REQUIRE(::kill(keeper, SIGSTOP) == 0);
  REQUIRE(::kill(worker, SIGSTOP) == 0);
  char buffer[64];
  const ssize_t size = ::pread(fd->get(), buffer, sizeof buffer, 0);
  (void)::kill(worker, SIGCONT);
  (void)::kill(keeper, SIGCONT);
  CHECK((size > 0 && std::string(buffer, static_cast<size_t>(size)) == LivingStore::Content(7)));
  CHECK_FALSE(AnyInPageCache(fd->get(), 64));  // of FUSE's own
}

TEST_CASE("in passthrough a file that is open can be opened again after its worker's death",
          "[integration][fuse]") {
  if (!TestsPassthrough()) return;
  const LivingStore living;
  const auto fd = OpenAt(AT_FDCWD, living.FilePath(1, 7), O_RDONLY);
  REQUIRE_OK(fd);
  const auto saved = SavedSession::Adopt(OpenSession(living.server->Keeper()));
  REQUIRE_OK(saved);
  const auto table = BackingTable::Map(*saved);
  REQUIRE_OK(table);
  REQUIRE(RecordsOf(*table).size() == 1);
  const int32_t backing_id = RecordsOf(*table)[0].backing_id;
  CHECK(backing_id > 0);
  for (int i = 0; i < 3; ++i) {
    const pid_t worker = living.server->Worker();
    REQUIRE(::kill(worker, SIGKILL) == 0);
    REQUIRE(Eventually([&] { return living.server->Worker() != worker; }));
    CHECK(living.ReadOnce(2 + i, 7) == "");  // another id for the open inode would be EIO
  }
  CHECK(Eventually([&] {
    const auto records = RecordsOf(*table);
    return records.size() == 1 && records[0].opens == 1 && records[0].backing_id == backing_id;
  }));
}

TEST_CASE("in passthrough a bounded number of files stays registered", "[integration][fuse]") {
  if (!TestsPassthrough()) return;
  constexpr int kFiles = BackingFiles::kMaxClosed + 200;
  StoreTree store;
  for (int i = 0; i < kFiles; ++i) store.File(absl::StrCat("aaa-many/", i), absl::StrCat(i));
  store.Index("aaa-many", 1);
  store.View(1, {{"aaa-many", 1}});
  const FuseServer server(store.state(), store.store(), store.root() + "/mnt");
  for (int i = 0; i < kFiles; ++i) {
    const auto content = ReadFile(absl::StrCat(server.mount_point(), "/1/nix/store/aaa-many/", i));
    REQUIRE_OK(content);
    REQUIRE(*content == absl::StrCat(i));
  }
  const auto saved = SavedSession::Adopt(OpenSession(server.Keeper()));
  REQUIRE_OK(saved);
  const auto table = BackingTable::Map(*saved);
  REQUIRE_OK(table);
  CHECK(Eventually([&] { return RecordsOf(*table).size() == BackingFiles::kMaxClosed; }));
  CHECK(testing::RegisteredIds(server.Keeper(), table->last_backing_id()) ==
        BackingFiles::kMaxClosed);
}

}  // namespace
}  // namespace stowage
