#include "tests/fuse/fake_stowaged.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

constexpr int kWaitMs = 5000;

void AwaitReadable(int fd) {
  pollfd waiting = {fd, POLLIN, 0};
  REQUIRE(::poll(&waiting, 1, kWaitMs) == 1);
}

}  // namespace

FakeStowaged::FakeStowaged(const std::string& state_directory)
    : listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = state_directory + "/" + kFetchSocketName;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  (void)::unlink(path.c_str());  // of an earlier one
  REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener_.get(), 4) == 0);
}

void FakeStowaged::Accept() {
  AwaitReadable(listener_.get());
  connection_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(connection_);
}

FetchMessage FakeStowaged::Read() {
  AwaitReadable(connection_.get());
  std::array<char, 64> packet;
  const ssize_t size = ::recv(connection_.get(), packet.data(), packet.size(), 0);
  REQUIRE(size > 0);
  const auto message = ParseFetchMessage({packet.data(), static_cast<size_t>(size)});
  REQUIRE_OK(message);
  return *message;
}

void FakeStowaged::Send(const std::string& packet) {
  REQUIRE(::send(connection_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(packet.size()));
}

}  // namespace stowage::testing
