// How keeper and worker live and die. Needs root and /dev/fuse.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/fuse/fuse_server.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::Eventually;
using testing::FuseServer;
using testing::RunFuseProgram;
using testing::SleepMs;
using testing::StoreTree;

constexpr int kFiles = 300;
constexpr int kViews = 400;

// Many views of one object: the names below each view are new to the kernel, so that readers keep
// asking the server.
void MakeStore(StoreTree& store) {
  for (int i = 0; i < kFiles; ++i)
    store.File(absl::StrCat("aaa-many/file-", i), absl::StrCat("content ", i));
  store.Index("aaa-many", 1);
  for (int view = 1; view <= kViews; ++view)
    store.View(static_cast<uint64_t>(view), {{"aaa-many", 1}});
}

std::string FilePath(const FuseServer& server, int view, int file) {
  return absl::StrCat(server.mount_point(), "/", view, "/nix/store/aaa-many/file-", file);
}

// Looks up and reads one file, past the page cache; empty: as it should be.
std::string ReadOnce(const FuseServer& server, int view, int file) {
  const std::string path = FilePath(server, view, file);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return absl::StrCat("open ", path, ": ", std::strerror(errno));
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  char buffer[64];
  const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
  if (size < 0) return absl::StrCat("read ", path, ": ", std::strerror(errno));
  const std::string content(buffer, static_cast<size_t>(size));
  return content == absl::StrCat("content ", file) ? "" : absl::StrCat(path, " is ", content);
}

// Threads that read until they are stopped.
class Readers {
 public:
  explicit Readers(const FuseServer& server) {
    for (int i = 0; i < 4; ++i) threads_.emplace_back([this, &server, i] { Read(server, i); });
  }
  ~Readers() { Stop(); }
  // Reads done; the first error is in error().
  int Stop() {
    stop_ = true;
    threads_.clear();
    return reads_;
  }
  int reads() const { return reads_; }
  const std::string& error() const { return error_; }

 private:
  void Read(const FuseServer& server, int thread) {
    for (int i = thread * 1000; !stop_; ++i) {
      const std::string error = ReadOnce(server, 1 + i / kFiles % kViews, i % kFiles);
      if (!error.empty() && !failed_.exchange(true)) error_ = error;
      ++reads_;
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<bool> failed_ = false;
  std::atomic<int> reads_ = 0;
  std::string error_;  // written once, read when the threads are gone
  std::vector<std::jthread> threads_;
};

class LivingStore {
 public:
  explicit LivingStore(const std::vector<std::string>& environment = {})
      : mount_point(store.root() + "/mnt") {
    MakeStore(store);
    Start(environment);
  }
  void Start(const std::vector<std::string>& environment = {}) {
    server.reset();
    server = std::make_unique<FuseServer>(store.state(), store.store(), mount_point, environment);
  }

  StoreTree store;
  const std::string mount_point;
  std::unique_ptr<FuseServer> server;
};

TEST_CASE("twenty SIGKILLs of the worker cost readers no error", "[integration][fuse]") {
  LivingStore living;
  Readers readers(*living.server);
  for (int i = 0; i < 20; ++i) {
    const pid_t worker = living.server->Worker();
    REQUIRE(worker > 0);
    const int before = readers.reads();
    REQUIRE(::kill(worker, SIGKILL) == 0);
    REQUIRE(Eventually([&] { return readers.reads() > before + 100; }));
    REQUIRE(living.server->Worker() != worker);
  }
  CHECK(readers.Stop() > 2000);
  CHECK(readers.error() == "");
  CHECK(living.server->Terminate() == 0);
}

TEST_CASE("a killed keeper is replaced by the worker, and the mount goes on",
          "[integration][fuse]") {
  LivingStore living;
  const FuseServer& server = *living.server;
  Readers readers(server);
  const pid_t worker = server.Worker();
  REQUIRE(worker > 0);
  REQUIRE(::kill(server.keeper(), SIGKILL) == 0);
  CHECK(living.server->WaitForKeeper() == 128 + SIGKILL);
  const pid_t keeper = FuseServer::ChildOf(worker);
  REQUIRE(keeper > 0);
  REQUIRE(::kill(worker, SIGKILL) == 0);
  REQUIRE(FuseServer::ChildOf(keeper) > 0);
  const int before = readers.reads();
  CHECK(Eventually([&] { return readers.reads() > before + 100; }));
  readers.Stop();
  CHECK(readers.error() == "");
  REQUIRE(::kill(keeper, SIGTERM) == 0);
  CHECK(Eventually([&] { return server.Processes().empty(); }));
  CHECK_FALSE(server.IsMounted());
}

TEST_CASE("SIGTERM and SIGINT leave no mount and no process", "[integration][fuse]") {
  LivingStore living;
  const int signal = GENERATE(SIGTERM, SIGINT);
  CHECK(ReadOnce(*living.server, 1, 1) == "");
  CHECK(living.server->Processes().size() == 2);
  REQUIRE(::kill(living.server->keeper(), signal) == 0);
  CHECK(living.server->WaitForKeeper() == 0);
  CHECK(living.server->Processes().empty());
  CHECK_FALSE(living.server->IsMounted());
}

TEST_CASE("SIGTERM ends the server even while a file is open and an overlay lies over it",
          "[integration][fuse]") {
  LivingStore living;
  const FuseServer& server = *living.server;
  const std::string merged = living.store.root() + "/merged";
  REQUIRE_OK(MakeDirectories(merged));
  const std::string options =
      absl::StrCat("lowerdir=", server.mount_point(), "/1:", server.mount_point(), "/2");
  REQUIRE(::mount("overlay", merged.c_str(), "overlay", MS_RDONLY, options.c_str()) == 0);
  const UniqueFd open_file(::open(FilePath(server, 1, 1).c_str(), O_RDONLY | O_CLOEXEC));
  const int code = living.server->Terminate();
  const int error =
      ::open((merged + "/nix/store/aaa-many/file-7").c_str(), O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
  (void)::umount2(merged.c_str(), MNT_DETACH);
  CHECK(code == 0);
  CHECK(error == ENOTCONN);
  CHECK(server.Processes().empty());
  CHECK_FALSE(server.IsMounted());
}

TEST_CASE("the keeper ends when somebody else unmounts", "[integration][fuse]") {
  LivingStore living;
  REQUIRE(::umount2(living.mount_point.c_str(), 0) == 0);
  CHECK(living.server->WaitForKeeper() == 0);
  CHECK(living.server->Processes().empty());
}

TEST_CASE("a second server at the same place is refused and disturbs nothing",
          "[integration][fuse]") {
  LivingStore living;
  std::string message;
  const std::vector<std::string> arguments = {"--state=" + living.store.state(),
                                              "--store=" + living.store.store(),
                                              "--mountpoint=" + living.mount_point};
  CHECK(RunFuseProgram(arguments, &message) == 1);
  CHECK(absl::StrContains(message, "alive is mounted there"));
  CHECK(ReadOnce(*living.server, 1, 1) == "");
}

TEST_CASE("the dead mount of a lost server is replaced", "[integration][fuse]") {
  LivingStore living;
  const pid_t worker = living.server->Worker();
  REQUIRE(worker > 0);
  // Stopped first, or either would start the other again.
  REQUIRE(::kill(living.server->keeper(), SIGSTOP) == 0);
  REQUIRE(::kill(worker, SIGSTOP) == 0);
  REQUIRE(::kill(living.server->keeper(), SIGKILL) == 0);
  REQUIRE(::kill(worker, SIGKILL) == 0);
  CHECK(living.server->WaitForKeeper() == 128 + SIGKILL);
  REQUIRE(Eventually([&] { return living.server->Processes().empty(); }));
  REQUIRE(living.server->IsMounted());
  CHECK(absl::StrContains(ReadOnce(*living.server, 1, 1), "not connected"));
  const FuseServer again(living.store.state(), living.store.store(), living.mount_point);
  CHECK(ReadOnce(again, 1, 1) == "");
}

TEST_CASE("somebody else's mount at the place is refused", "[integration][fuse]") {
  StoreTree store;
  const std::string place = store.root() + "/mnt";
  REQUIRE_OK(MakeDirectories(place));
  REQUIRE(::mount("none", place.c_str(), "tmpfs", 0, nullptr) == 0);
  std::string message;
  const int code = RunFuseProgram(
      {"--state=" + store.state(), "--store=" + store.store(), "--mountpoint=" + place}, &message);
  (void)::umount2(place.c_str(), MNT_DETACH);
  CHECK(code == 1);
  CHECK(absl::StrContains(message, "type tmpfs"));
}

TEST_CASE("a missing directory is named, and nothing is mounted", "[integration][fuse]") {
  StoreTree store;
  const std::string place = store.root() + "/mnt";
  std::string message;
  CHECK(RunFuseProgram(
            {"--state=/nonexistent-state", "--store=" + store.store(), "--mountpoint=" + place},
            &message) == 1);
  CHECK(absl::StrContains(message, "--state"));
  CHECK(absl::StrContains(message, "/nonexistent-state"));
  CHECK(RunFuseProgram(
            {"--state=" + store.state(), "--store=/nonexistent-store", "--mountpoint=" + place},
            &message) == 1);
  CHECK(absl::StrContains(message, "/nonexistent-store"));
  CHECK(::access(place.c_str(), F_OK) == -1);
}

TEST_CASE("systemd is told when requests are being served", "[integration][fuse]") {
  StoreTree directory;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory.root() + "/notify";
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const LivingStore living({"NOTIFY_SOCKET=" + path});
  char message[64] = "";
  REQUIRE(::recv(socket.get(), message, sizeof message - 1, 0) > 0);
  CHECK(std::string(message) == "READY=1");
}

}  // namespace
}  // namespace stowage
