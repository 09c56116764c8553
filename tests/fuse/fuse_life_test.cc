// How keeper and worker live and die. Needs root and /dev/fuse.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "tests/fuse/fuse_server.h"
#include "tests/fuse/living_store.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::Eventually;
using testing::FuseServer;
using testing::LivingStore;
using testing::RunFuseProgram;
using testing::StoreTree;

// What a container has of two views.
class OverlayMount {
 public:
  explicit OverlayMount(const LivingStore& living) : place_(living.store.root() + "/merged") {
    REQUIRE_OK(MakeDirectories(place_));
    const std::string options =
        absl::StrCat("lowerdir=", living.mount_point, "/1:", living.mount_point, "/2");
    REQUIRE(::mount("overlay", place_.c_str(), "overlay", MS_RDONLY, options.c_str()) == 0);
  }
  ~OverlayMount() { (void)::umount2(place_.c_str(), MNT_DETACH); }
  OverlayMount(const OverlayMount&) = delete;
  OverlayMount& operator=(const OverlayMount&) = delete;
  const std::string& place() const { return place_; }

 private:
  std::string place_;
};

TEST_CASE("SIGTERM and SIGINT leave no mount and no process", "[integration][fuse]") {
  LivingStore living;
  const int signal = GENERATE(SIGTERM, SIGINT);
  CHECK(living.ReadOnce(1, 1) == "");
  CHECK(living.server->Processes().size() == 2);
  REQUIRE(::kill(living.server->Keeper(), signal) == 0);
  CHECK(living.server->WaitForStarted() == 0);
  CHECK(living.server->Processes().empty());
  CHECK_FALSE(living.server->IsMounted());
}

TEST_CASE("SIGTERM ends the server even while a file is open and an overlay lies over it",
          "[integration][fuse]") {
  LivingStore living;
  const FuseServer& server = *living.server;
  const OverlayMount overlay(living);
  const UniqueFd open_file(::open(living.FilePath(1, 1).c_str(), O_RDONLY | O_CLOEXEC));
  const int code = living.server->Terminate();
  const int error =
      ::open((overlay.place() + "/nix/store/aaa-many/file-7").c_str(), O_RDONLY | O_CLOEXEC) < 0
          ? errno
          : 0;
  CHECK(code == 0);
  CHECK(error == ENOTCONN);
  CHECK(server.Processes().empty());
  CHECK_FALSE(server.IsMounted());
}

TEST_CASE("the keeper ends when somebody else unmounts", "[integration][fuse]") {
  LivingStore living;
  REQUIRE(::umount2(living.mount_point.c_str(), 0) == 0);
  CHECK(living.server->WaitForStarted() == 0);
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
  CHECK(living.ReadOnce(1, 1) == "");
}

TEST_CASE("the dead mount of a lost server is replaced, and the log says what is lost",
          "[integration][fuse]") {
  LivingStore living;
  const OverlayMount overlay(living);
  // Stopped first, or either would start the other again.
  const std::vector<pid_t> processes = living.server->Processes();
  REQUIRE(processes.size() == 2);
  for (const pid_t pid : processes) REQUIRE(::kill(pid, SIGSTOP) == 0);
  for (const pid_t pid : processes) REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(living.server->WaitForStarted() == 128 + SIGKILL);
  REQUIRE(Eventually([&] { return living.server->Processes().empty(); }));
  REQUIRE(living.server->IsMounted());
  // A process that has no arguments any more may still close its descriptors.
  CHECK(Eventually([&] { return absl::StrContains(living.ReadOnce(1, 1), "not connected"); }));
  const FuseServer again(living.store.state(), living.store.store(), living.mount_point);
  CHECK(living.ReadOnce(1, 1) == "");
  CHECK(absl::StrContains(again.Log(), "dead_mount_detached"));
  CHECK(absl::StrContains(again.Log(), "containers_lost count=1"));
  CHECK(absl::StrContains(again.Log(), overlay.place()));
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

// A service manager's $NOTIFY_SOCKET.
UniqueFd NotifySocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

// "": nothing was said.
std::string NextMessage(const UniqueFd& socket) {
  char message[64] = "";
  return ::recv(socket.get(), message, sizeof message - 1, 0) > 0 ? message : "";
}

TEST_CASE("what a service manager could not be given is given as soon as it can be",
          "[integration][fuse]") {
  StoreTree directory;
  const std::string path = directory.root() + "/notify";
  testing::FuseServerOptions options;
  options.environment = {"NOTIFY_SOCKET=" + path};
  const LivingStore living(options);
  CHECK(absl::StrContains(living.server->Log(), "descriptors_not_stored"));
  const UniqueFd socket = NotifySocket(path);
  std::string said;
  CHECK(Eventually([&] {
    absl::StrAppend(&said, NextMessage(socket), "\n");
    return absl::StrContains(said, "FDNAME=stowage-session") &&
           absl::StrContains(said, "FDNAME=stowage-fuse");
  }));
}

TEST_CASE("systemd is told when requests are being served", "[integration][fuse]") {
  StoreTree directory;
  const std::string path = directory.root() + "/notify";
  const UniqueFd socket = NotifySocket(path);
  testing::FuseServerOptions options;
  options.environment = {"NOTIFY_SOCKET=" + path};
  const LivingStore living(options);
  std::vector<std::string> messages;
  for (std::string message; !(message = NextMessage(socket)).empty();) messages.push_back(message);
  REQUIRE(!messages.empty());
  CHECK(messages.back() == "READY=1");
}

}  // namespace
}  // namespace stowage
