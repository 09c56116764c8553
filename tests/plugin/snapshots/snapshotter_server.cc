// Serves a Snapshotter that knows no remote layers, for containerd's own test suite.
//
// snapshotter_server SOCKET STATE_DIRECTORY fuse|overlay: answers on SOCKET until standard input
// ends. The last word is what would show layers of the store, if there were any.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "plugin/snapshots/snapshots_service.h"
#include "plugin/snapshots/unix_grpc_server.h"

namespace stowage {
namespace {

class NoRemoteLayers final : public RemoteLayers {
 public:
  explicit NoRemoteLayers(ViewDriver driver) : driver_(driver) {}
  absl::StatusOr<std::vector<int64_t>> FindChain(
      const Digest& /*chain_id*/, const std::optional<Digest>& /*parent_chain_id*/) override {
    return absl::NotFoundError("no remote layers here");
  }
  std::vector<ViewDriver> Drivers() override { return {driver_}; }
  absl::StatusOr<std::vector<LowerDirectory>> LowerDirectories(absl::Span<const int64_t> /*layers*/,
                                                               ViewDriver /*driver*/) override {
    return absl::NotFoundError("no remote layers here");
  }
  absl::StatusOr<std::vector<std::string>> ArrangeForOverlay(
      std::vector<LowerDirectory> /*directories*/) override {
    return absl::NotFoundError("no remote layers here");
  }
  void SnapshotsRemoved() override {}

 private:
  const ViewDriver driver_;
};

absl::Status Serve(const std::string& socket, const std::string& state_directory,
                   ViewDriver driver) {
  if (const absl::Status status = MakeDirectories(state_directory, 0700); !status.ok())
    return status;
  NoRemoteLayers layers(driver);
  SnapshotterOptions options;
  options.state_directory = state_directory;
  options.database_path = state_directory + "/stowage.db";
  options.warn = [](absl::string_view message) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
  };
  const auto snapshotter = Snapshotter::Open(std::move(options), layers);
  if (!snapshotter.ok()) return snapshotter.status();
  SnapshotsService service(**snapshotter);
  const auto server = UnixGrpcServer::Start(socket, {&service});
  if (!server.ok()) return server.status();
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace stowage

int main(int argc, char** argv) {
  const std::string driver = argc == 4 ? argv[3] : "";
  if (driver != "fuse" && driver != "overlay") {
    std::fprintf(stderr, "usage: snapshotter_server SOCKET STATE_DIRECTORY fuse|overlay\n");
    return 2;
  }
  const absl::Status status =
      stowage::Serve(argv[1], argv[2],
                     driver == "fuse" ? stowage::ViewDriver::kFuse : stowage::ViewDriver::kOverlay);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
