#include "base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/unique_fd.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("NotifyServiceManager sends one datagram", "[base][service_manager]") {
  const testing::TemporaryDirectory directory;
  const UniqueFd receiver(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, directory.Join("notify").c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
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

}  // namespace
}  // namespace stowage
