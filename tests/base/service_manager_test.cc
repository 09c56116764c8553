#include "base/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

// The service manager's socket.
UniqueFd Listen(const std::string& path) {
  UniqueFd receiver(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return receiver;
}

TEST_CASE("NotifyServiceManager sends one datagram", "[base][service_manager]") {
  const testing::TemporaryDirectory directory;
  const UniqueFd receiver = Listen(directory.Join("notify"));
  REQUIRE_OK(NotifyServiceManager(directory.Join("notify"), "READY=1"));
  char received[64];
  const ssize_t size = ::read(receiver.get(), received, sizeof received);
  REQUIRE(size == 7);
  CHECK(std::string(received, 7) == "READY=1");
}

TEST_CASE("NotifyServiceManager says when nobody can be told", "[base][service_manager]") {
  const testing::TemporaryDirectory directory;
  CHECK(NotifyServiceManager("", "READY=1").ok());
  CHECK(absl::IsNotFound(NotifyServiceManager(directory.Join("none"), "READY=1")));
  CHECK(absl::IsInvalidArgument(NotifyServiceManager("/" + std::string(200, 'x'), "READY=1")));
}

// One datagram with at most one descriptor.
struct Datagram {
  std::string text;
  UniqueFd fd;
};

Datagram Receive(int socket) {
  char text[256] = "";
  iovec piece = {text, sizeof text - 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) > 0);
  int fd = -1;
  if (const cmsghdr* const header = CMSG_FIRSTHDR(&message); header != nullptr)
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return {text, UniqueFd(fd)};
}

TEST_CASE("StoreDescriptor sends the descriptor under its name", "[base][service_manager]") {
  const testing::TemporaryDirectory directory;
  const UniqueFd receiver = Listen(directory.Join("notify"));
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  REQUIRE_OK(StoreDescriptor(directory.Join("notify"), "the-pipe", writer.get()));
  const Datagram stored = Receive(receiver.get());
  CHECK(stored.text == "FDSTORE=1\nFDNAME=the-pipe");
  REQUIRE(::write(stored.fd.get(), "x", 1) == 1);
  char byte = 0;
  REQUIRE(::read(reader.get(), &byte, 1) == 1);
  CHECK(byte == 'x');
  REQUIRE_OK(ForgetDescriptors(directory.Join("notify"), "the-pipe"));
  const Datagram forgotten = Receive(receiver.get());
  CHECK(forgotten.text == "FDSTOREREMOVE=1\nFDNAME=the-pipe");
  CHECK_FALSE(forgotten.fd.valid());
}

TEST_CASE("TakePassedDescriptors takes what is meant for this process only",
          "[base][service_manager]") {
  const std::string own = std::to_string(::getpid());
  CHECK(TakePassedDescriptors("", "", "").empty());
  CHECK(TakePassedDescriptors("1", "2", "a:b").empty());
  CHECK(TakePassedDescriptors(own, "-1", "a").empty());
  CHECK(TakePassedDescriptors(own, "many", "a").empty());
  CHECK(TakePassedDescriptors(own, "1000000", "a").empty());
  CHECK(TakePassedDescriptors(own, "0", "").empty());
  // In a process of its own, whose descriptors 3 and 4 are these.
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int reader = ::dup2(ends[0], 20);
    const int writer = ::dup2(ends[1], 21);
    (void)::dup2(reader, 3);
    (void)::dup2(writer, 4);
    const auto passed = TakePassedDescriptors(std::to_string(::getpid()), "2", "in");
    const bool right = passed.size() == 2 && passed[0].name == "in" && passed[1].name.empty() &&
                       passed[0].fd.get() == 3 && passed[1].fd.get() == 4 &&
                       ::fcntl(4, F_GETFD) == FD_CLOEXEC;
    ::_exit(right ? 0 : 1);
  }
  (void)::close(ends[0]);
  (void)::close(ends[1]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace
}  // namespace stowage
