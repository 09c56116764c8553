#include "plugin/containerd/unix_socket.h"

#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/unique_fd.h"
#include "plugin/containerd/containerd_client.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

// A socket bound to the path, listening or not.
UniqueFd BindSocket(const std::string& path, bool listening) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  if (listening) REQUIRE(::listen(fd.get(), 1) == 0);
  return fd;
}

TEST_CASE("UnixSocketPath takes paths and unix addresses", "[containerd][unix_socket]") {
  const std::string address = GENERATE("/run/c.sock", "unix:///run/c.sock", "unix:/run/c.sock");
  const auto path = UnixSocketPath(address);
  REQUIRE_OK(path);
  CHECK(*path == "/run/c.sock");
}

TEST_CASE("UnixSocketPath rejects what is no local socket", "[containerd][unix_socket]") {
  const std::string address =
      GENERATE(as<std::string>(), "", "c.sock", "unix://c.sock", "tcp://127.0.0.1:1",
               "unix://tcp://x", "/" + std::string(107, 'x'));
  const auto path = UnixSocketPath(address);
  CHECK(absl::IsInvalidArgument(path.status()));
  CHECK(absl::StrContains(path.status().message(), "'" + address + "'"));
}

TEST_CASE("ProbeUnixSocket tells the reasons apart", "[containerd][unix_socket]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("s");
  CHECK(absl::IsNotFound(ProbeUnixSocket(path)));
  CHECK(absl::IsNotFound(ProbeUnixSocket(path + "/below")));
  {
    const UniqueFd dead = BindSocket(path, /*listening=*/false);
    CHECK(absl::IsUnavailable(ProbeUnixSocket(path)));
  }
  REQUIRE(::unlink(path.c_str()) == 0);
  REQUIRE_OK(WriteFileAtomically(path, "no socket"));
  const absl::Status file = ProbeUnixSocket(path);
  CHECK(absl::IsFailedPrecondition(file));
  CHECK(absl::StrContains(file.message(), path));
  REQUIRE(::unlink(path.c_str()) == 0);
  const UniqueFd listening = BindSocket(path, /*listening=*/true);
  CHECK(ProbeUnixSocket(path).ok());
}

TEST_CASE("ProbeUnixSocket does not wait for a server that accepts nothing",
          "[containerd][unix_socket]") {
  const testing::TemporaryDirectory directory;
  const UniqueFd listening = BindSocket(directory.Join("s"), /*listening=*/true);
  const absl::Time start = absl::Now();
  for (int i = 0; i < 8; ++i) CHECK(ProbeUnixSocket(directory.Join("s")).ok());
  CHECK(absl::Now() - start < absl::Seconds(5));
}

TEST_CASE("A socket for others only is PermissionDenied, with what to do",
          "[containerd][unix_socket]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("s");
  const UniqueFd listening = BindSocket(path, /*listening=*/true);
  REQUIRE(::chmod(path.c_str(), 0) == 0);
  absl::Status status;
  // The file system's user ID belongs to the thread; root becomes somebody without its
  // capabilities.
  std::thread([&] {
    ::setfsuid(65534);
    status = ContainerdClient::Connect(path, "default", absl::Now() + absl::Seconds(5)).status();
  }).join();
  CHECK(absl::IsPermissionDenied(status));
  CHECK(absl::StrContains(status.message(), path));
  CHECK(absl::StrContains(status.message(), "as root"));
}

TEST_CASE("Connect says what to do when containerd is not there", "[containerd][client]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("containerd.sock");
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  const absl::Status missing = ContainerdClient::Connect(path, "default", deadline).status();
  CHECK(absl::IsUnavailable(missing));
  for (const std::string part : {path.c_str(), "No such file", "systemctl start", "--address"})
    CHECK(absl::StrContains(missing.message(), part));

  REQUIRE_OK(WriteFileAtomically(path, "no socket"));
  const absl::Status file = ContainerdClient::Connect(path, "default", deadline).status();
  CHECK(absl::IsUnavailable(file));
  CHECK(absl::StrContains(file.message(), "--address"));
}

TEST_CASE("Connect ends at the deadline when nobody accepts", "[containerd][client]") {
  const testing::TemporaryDirectory directory;
  const UniqueFd listening = BindSocket(directory.Join("s"), /*listening=*/true);
  const absl::Time start = absl::Now();
  const absl::Status status =
      ContainerdClient::Connect(directory.Join("s"), "default", start + absl::Milliseconds(300))
          .status();
  CHECK(absl::IsDeadlineExceeded(status));
  CHECK(absl::Now() - start < absl::Seconds(10));
}

}  // namespace
}  // namespace stowage
