#include "plugin/daemon/daemon.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/directory.h"
#include "base/file_lock.h"
#include "base/status_macros.h"
#include "nix/valid_paths.h"
#include "plugin/snapshots/id_mapped_clone.h"
#include "plugin/snapshots/id_mapped_directory.h"
#include "plugin/snapshots/mount_builder.h"
#include "plugin/snapshots/peer_mounts.h"

namespace stowage {
namespace {

constexpr absl::Duration kDrainTime = absl::Seconds(5);
constexpr absl::Duration kVerifyTime = absl::Hours(1);  // of one layer's store paths, by Nix
constexpr absl::Duration kCollectInterval = absl::Minutes(1);

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

// Whether store paths hold what Nix has registered, so that a damaged disk is not taken for a lie.
std::function<absl::Status(const std::vector<StorePath>&, std::stop_token)> Verifier(
    const NixOptions& nix) {
  return [nix](const std::vector<StorePath>& paths, std::stop_token stop) {
    return VerifyContents(paths, nix, {absl::Now() + kVerifyTime, std::move(stop)});
  };
}

ImageResolverOptions ResolverOptions(const Config& config) {
  ImageResolverOptions options;
  options.source = config.source;
  options.nix = config.nix;
  options.always = config.always;
  options.shell = config.shell;
  options.builder.state_directory = config.state_directory;
  options.builder.layering = config.layering;
  options.builder.hold = config.hold;
  options.builder.prepare_views = !config.snapshotter_socket.empty();
  options.builder.verify = Verifier(config.nix);
  options.tag_lifetime = config.tag_lifetime;
  options.evaluation_timeout = config.evaluation_timeout;
  options.build_timeout = config.build_timeout;
  options.concurrent_resolves = static_cast<size_t>(config.concurrent_resolves);
  options.records = {config.record_source, config.record_ca_file, config.record_credentials_file};
  return options;
}

// status=200 method=GET ... as one line.
std::string AccessLine(const HttpAccess& access) {
  std::string line = absl::StrCat("http_request client=", access.client, " method=", access.method,
                                  " target=", access.target, " status=", access.status,
                                  " bytes=", access.body_bytes,
                                  " ms=", absl::ToInt64Milliseconds(access.duration));
  if (!access.body_status.ok())
    absl::StrAppend(&line, " cut=\"", access.body_status.message(), "\"");
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config, LogFunction log) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(log)));
  STOWAGE_RETURN_IF_ERROR(daemon->Open(config));
  STOWAGE_RETURN_IF_ERROR(daemon->StartFetching(config));
  STOWAGE_RETURN_IF_ERROR(daemon->StartRegistry(config));
  STOWAGE_RETURN_IF_ERROR(daemon->StartSnapshotter(config));
  STOWAGE_RETURN_IF_ERROR(daemon->StartControl(config));
  daemon->collector_ = std::thread([raw = daemon.get()] { raw->CollectInBackground(); });
  return daemon;
}

absl::Status Daemon::Lock(const Config& config) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(config.state_directory));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(config.gc_roots_directory));
  STOWAGE_ASSIGN_OR_RETURN(state_lock_, LockFile(config.state_directory + "/lock"));
  STOWAGE_ASSIGN_OR_RETURN(roots_lock_, LockFile(config.gc_roots_directory + "/lock"));
  return absl::OkStatus();
}

absl::Status Daemon::Open(const Config& config) {
  // Before anything is brought in line: what another daemon works on must not look left over.
  STOWAGE_RETURN_IF_ERROR(Annotate(Lock(config), "is another stowaged running?"));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(config.nix.work_directory, 0700));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(config.source.cache_directory, 0700));
  LayerCatalogOptions catalog;
  catalog.state_directory = config.state_directory;
  catalog.gc_roots_directory = config.gc_roots_directory;
  catalog.fuse_mountpoint = config.fuse_mountpoint;
  if (!config.snapshotter_socket.empty()) catalog.driver = config.driver;
  catalog.overlay_directory = config.overlay_directory;
  catalog.overlay_mount_options = OverlayMountOptions(DetectOverlayFeatures(), true);
  catalog.warn = [log = log_](absl::string_view line) { log(LogLevel::kWarning, line); };
  STOWAGE_ASSIGN_OR_RETURN(catalog_, LayerCatalog::Open(catalog));
  STOWAGE_ASSIGN_OR_RETURN(images_, ImageTable::Open(config.state_directory + "/stowage.db"));
  STOWAGE_ASSIGN_OR_RETURN(resolver_,
                           ImageResolver::Open(ResolverOptions(config), *catalog_, *images_, log_));
  catalog_->OnSnapshotsRemoved([this] {
    const absl::MutexLock lock(&mutex_);
    collect_soon_ = true;
  });
  return absl::OkStatus();
}

absl::Status Daemon::StartFetching(const Config& config) {
  if (config.snapshotter_socket.empty()) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<ClosureReader> closures, OpenClosureReader(config.nix));
  fetcher_ = std::make_unique<PathFetcher>(PathFetcher::Options{config.nix, config.fetch_timeout},
                                           *catalog_, std::move(closures), log_);
  catalog_->OnPromised(
      [this](std::vector<int64_t> first) { fetcher_->FetchInBackground(std::move(first)); });
  LayerHasher::Options hashing;
  hashing.verify = Verifier(config.nix);
  layer_hasher_ = std::make_unique<LayerHasher>(std::move(hashing), *catalog_, log_);
  STOWAGE_ASSIGN_OR_RETURN(fetch_server_,
                           FetchServer::Start(config.state_directory, *fetcher_, log_));
  return absl::OkStatus();
}

absl::Status Daemon::StartSnapshotter(const Config& config) {
  if (config.snapshotter_socket.empty()) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(ParentOf(config.snapshotter_socket)));
  SnapshotterOptions options;
  options.state_directory = config.state_directory;
  options.database_path = config.state_directory + "/stowage.db";
  options.fuse_mountpoint = config.fuse_mountpoint;
  options.overlay_mountpoint = catalog_->drivers().overlay_mountpoint();
  options.overlay_snapshots =
      catalog_->drivers().ThroughOverlay(config.state_directory + "/snapshots");
  options.warn = [log = log_](absl::string_view line) { log(LogLevel::kWarning, line); };
  STOWAGE_ASSIGN_OR_RETURN(snapshotter_, Snapshotter::Open(std::move(options), *catalog_));
  const bool by_fuse = catalog_->Drivers().front() == ViewDriver::kFuse;
  const absl::Status mappable =
      CheckIdMapping(config.state_directory, by_fuse ? config.fuse_mountpoint : "");
  if (!mappable.ok())
    log_(LogLevel::kInfo, absl::StrCat("no_id_mapping error=\"", mappable.message(), "\""));
  snapshotter_owner_.emplace(SocketOwnerOptions{config.state_directory + "/snapshotter_owner"});
  snapshots_service_ = std::make_unique<SnapshotsService>(*snapshotter_, PeerChecks(config));
  STOWAGE_ASSIGN_OR_RETURN(snapshotter_server_, UnixGrpcServer::Start(config.snapshotter_socket,
                                                                      {snapshots_service_.get()}));
  snapshotter_peers_ = snapshotter_server_.get();
  addresses_.snapshotter_socket = config.snapshotter_socket;
  return absl::OkStatus();
}

SnapshotPeerChecks Daemon::PeerChecks(const Config& config) {
  const auto process = [this](const std::string& peer) {
    const UnixGrpcServer* const server = snapshotter_peers_;
    return server == nullptr ? std::nullopt : server->PeerProcess(peer);
  };
  const auto sees_mount = [this, process](const std::string& peer, ViewDriver driver) {
    const std::optional<pid_t> client = process(peer);
    if (!client) return absl::OkStatus();
    return driver == ViewDriver::kFuse
               ? CheckPeerSees(*client, catalog_->views().mountpoint())
               : CheckPeerSees(*client, catalog_->drivers().overlay_mountpoint(), "");
  };
  SnapshotPeerChecks checks;
  checks.admit = [this, process](const std::string& peer) {
    // Connections are accepted before Start has returned the server that knows them.
    if (snapshotter_peers_ == nullptr)
      return absl::UnavailableError("stowaged is starting; try again");
    return snapshotter_owner_->Admit(process(peer).value_or(0));
  };
  checks.mounts = [this, sees_mount, id_mapped = IdMappedDirectory(config.state_directory)](
                      const std::string& peer, const std::vector<Mount>& mounts) {
    const std::string by_overlay = catalog_->drivers().overlay_mountpoint();
    if (!by_overlay.empty() && UsesDirectory(mounts, by_overlay))
      return sees_mount(peer, ViewDriver::kOverlay);
    if (UsesDirectory(mounts, catalog_->views().mountpoint()))
      return sees_mount(peer, ViewDriver::kFuse);
    return UsesDirectory(mounts, id_mapped) ? sees_mount(peer, catalog_->Drivers().front())
                                            : absl::OkStatus();
  };
  checks.chain = [this, sees_mount](const std::string& peer, const std::string& chain_id) {
    const auto chain = Digest::Parse(chain_id);
    const bool ours = chain.ok() && catalog_->table().ChainLayers(*chain).ok();
    return ours ? sees_mount(peer, catalog_->Drivers().front()) : absl::OkStatus();
  };
  return checks;
}

absl::Status Daemon::StartRegistry(const Config& config) {
  if (config.registry_address.empty()) return absl::OkStatus();
  image_service_ = std::make_unique<ImageService>(*resolver_, *catalog_, *images_, config.hold);
  registry_service_ = std::make_unique<RegistryService>(*image_service_, RegistryServiceOptions());
  HttpServerOptions options;
  options.address = config.registry_address;
  options.on_access = [log = log_](const HttpAccess& access) {
    log(LogLevel::kInfo, AccessLine(access));
  };
  STOWAGE_ASSIGN_OR_RETURN(registry_, HttpServer::Start(options, *registry_service_));
  const std::string host = config.registry_address.substr(0, config.registry_address.rfind(':'));
  addresses_.registry = absl::StrCat(host, ":", registry_->port());
  return absl::OkStatus();
}

absl::Status Daemon::StartControl(const Config& config) {
  if (config.control_socket.empty()) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(ParentOf(config.control_socket)));
  control_service_ = std::make_unique<ControlService>(*resolver_, *catalog_, *images_,
                                                      fetcher_.get(), config.lazy, addresses_);
  STOWAGE_ASSIGN_OR_RETURN(control_server_,
                           UnixGrpcServer::Start(config.control_socket, {control_service_.get()}));
  return absl::OkStatus();
}

void Daemon::CollectInBackground() {
  const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || collect_soon_;
  };
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&wake), kCollectInterval);
      if (stopping_) return;
      collect_soon_ = false;
    }
    const auto collected = catalog_->Collect(absl::Now());
    if (!collected.ok()) {
      log_(LogLevel::kWarning,
           absl::StrCat("collect_failed error=\"", collected.status().message(), "\""));
    } else if (*collected > 0) {
      log_(LogLevel::kInfo, absl::StrCat("layers_collected count=", *collected));
    }
  }
}

Daemon::~Daemon() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  // Whoever waits for a resolve is told before the servers wait for their calls to end.
  if (resolver_ != nullptr) resolver_->Cancel();
  if (collector_.joinable()) collector_.join();
  control_server_.reset();
  snapshotter_server_.reset();
  if (registry_ != nullptr) registry_->Stop(absl::Now() + kDrainTime);
  // Waits for cancelled runs, whose callbacks still use the services.
  resolver_.reset();
  // Who waits for a path is not answered: stowage-fuse asks the next stowaged.
  fetch_server_.reset();
}

std::string Daemon::Describe() const {
  return absl::StrCat("source=\"", resolver_->DescribeSource(), "\" registry=", addresses_.registry,
                      " snapshotter=", addresses_.snapshotter_socket,
                      " fuse=", catalog_->views().mountpoint(),
                      " driver=", ViewDriverName(catalog_->Drivers().front()), " driver_reason=\"",
                      catalog_->drivers().Reason(), "\"");
}

}  // namespace stowage
