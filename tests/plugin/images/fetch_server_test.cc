#include "plugin/images/fetch_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

constexpr int kWaitMs = 5000;

class NothingValid : public ClosureReader {
 public:
  absl::StatusOr<Closure> Read(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::Status CheckPathsValid(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) override {
    return std::vector<std::optional<Digest>>(paths.size());
  }
};

UniqueFd Connect(const std::string& state_directory) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = state_directory + "/" + kFetchSocketName;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

TEST_CASE("FetchServer keeps the answers that its socket does not take at once",
          "[plugin][fetch_server]") {
  constexpr uint64_t kCount = 1500;
  const testing::TemporaryDirectory directory;
  LayerCatalogOptions options;
  options.state_directory = directory.Join("state");
  options.gc_roots_directory = directory.Join("roots");
  options.fuse_mountpoint = directory.Join("fs");
  options.store_directory = directory.Join("store");
  REQUIRE_OK(MakeDirectories(options.store_directory));
  const auto catalog = LayerCatalog::Open(options);
  REQUIRE_OK(catalog);
  std::atomic<uint64_t> failures = 0;
  const LogFunction count_failures = [&](LogLevel, absl::string_view) { ++failures; };
  PathFetcher fetcher({NixOptions(), absl::Seconds(30)}, **catalog,
                      std::make_unique<NothingValid>(), count_failures);
  const auto server = FetchServer::Start(options.state_directory, fetcher, count_failures);
  REQUIRE_OK(server);
  const UniqueFd connection = Connect(options.state_directory);
  // Objects that nobody has promised.
  for (uint64_t object = 1; object <= kCount; ++object) {
    const std::string packet = EncodeFetchMessage({FetchMessage::Kind::kFetch, object});
    REQUIRE(::send(connection.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(packet.size()));
  }
  for (int i = 0; i < kWaitMs && failures < kCount; ++i) absl::SleepFor(absl::Milliseconds(1));
  std::set<uint64_t> answered;
  for (uint64_t i = 0; i < kCount; ++i) {
    pollfd waiting = {connection.get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, kWaitMs) == 1);
    std::array<char, kFetchMessageBytes + 1> packet;
    const ssize_t size = ::recv(connection.get(), packet.data(), packet.size(), 0);
    REQUIRE(size > 0);
    const auto message = ParseFetchMessage({packet.data(), static_cast<size_t>(size)});
    REQUIRE_OK(message);
    CHECK(message->kind == FetchMessage::Kind::kFailed);
    answered.insert(message->object_number);
  }
  CHECK(answered.size() == kCount);
}

}  // namespace
}  // namespace stowage
