#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "plugin/config/config.h"
#include "plugin/daemon/control_service.h"
#include "plugin/images/fetch_server.h"
#include "plugin/images/image_resolver.h"
#include "plugin/images/image_service.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"
#include "plugin/images/layer_hasher.h"
#include "plugin/images/path_fetcher.h"
#include "plugin/registry/http_server.h"
#include "plugin/registry/registry_service.h"
#include "plugin/snapshots/snapshots_service.h"
#include "plugin/snapshots/snapshotter.h"
#include "plugin/snapshots/socket_owner.h"
#include "plugin/snapshots/unix_grpc_server.h"

namespace stowage {

// All services of stowaged, wired together.
class Daemon {
 public:
  // Restores the state and then opens the sockets; when this returns, everything answers.
  // Errors: what the parts say, with the part's name in front.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const Config& config, LogFunction log);
  // Stops taking requests, gives running ones a few seconds, cancels Nix runs.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // One line for the log: what listens where.
  std::string Describe() const;

 private:
  explicit Daemon(LogFunction log) : log_(std::move(log)) {}
  absl::Status Lock(const Config& config);
  absl::Status Open(const Config& config);
  // What fetches promised store paths, and answers stowage-fuse about them.
  absl::Status StartFetching(const Config& config);
  absl::Status StartSnapshotter(const Config& config);
  absl::Status StartRegistry(const Config& config);
  absl::Status StartControl(const Config& config);
  // One containerd for the socket, and one that sees the mounts that lower directories are in.
  SnapshotPeerChecks PeerChecks(const Config& config);
  void CollectInBackground();

  const LogFunction log_;
  // In the order of construction; destroyed the other way round.
  UniqueFd state_lock_;
  UniqueFd roots_lock_;
  std::unique_ptr<LayerCatalog> catalog_;
  std::unique_ptr<ImageTable> images_;
  std::unique_ptr<PathFetcher> fetcher_;  // null without a snapshotter
  std::unique_ptr<LayerHasher> layer_hasher_;
  std::unique_ptr<FetchServer> fetch_server_;
  std::unique_ptr<ImageResolver> resolver_;
  std::unique_ptr<Snapshotter> snapshotter_;
  std::optional<SocketOwner> snapshotter_owner_;
  std::unique_ptr<SnapshotsService> snapshots_service_;
  std::unique_ptr<ImageService> image_service_;
  std::unique_ptr<RegistryService> registry_service_;
  std::unique_ptr<HttpServer> registry_;
  std::unique_ptr<ControlService> control_service_;
  std::unique_ptr<UnixGrpcServer> snapshotter_server_;
  std::unique_ptr<UnixGrpcServer> control_server_;
  // The server again, for its own calls: they can come before the pointer above is set.
  std::atomic<const UnixGrpcServer*> snapshotter_peers_ = nullptr;
  DaemonAddresses addresses_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // At first too: an earlier daemon may have died while it collected.
  bool collect_soon_ ABSL_GUARDED_BY(mutex_) = true;
  std::thread collector_;
};

}  // namespace stowage
