#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugin/snapshots/snapshotter.h"
#include "proto/containerd/snapshots.grpc.pb.h"

namespace stowage {

// The gRPC form of a status; both have the same codes.
grpc::Status ToGrpcStatus(const absl::Status& status);

// containerd.services.snapshots.v1.Snapshots in front of a Snapshotter: translates, decides
// nothing. The field `snapshotter` of requests is not looked at: a proxy plugin's socket serves one
// snapshotter, under whatever name containerd's configuration gives it. Thread-safe.
class SnapshotsService final : public containerd::services::snapshots::v1::Snapshots::Service {
 public:
  // Whether the client of a connection (grpc::ServerContext::peer()) can perform these mounts; an
  // error is the call's answer.
  using MountCheck =
      std::function<absl::Status(const std::string& peer, const std::vector<Mount>& mounts)>;

  // Whether the client may get a remote snapshot for this chain; an error is the call's answer, so
  // that what could never be mounted fails when the image is pulled.
  using ChainCheck =
      std::function<absl::Status(const std::string& peer, const std::string& chain_id)>;

  // snapshotter must outlive the service. check_mounts: asked before mounts are handed out.
  // check_chain: asked before Prepare with containerd.io/snapshot.ref.
  explicit SnapshotsService(
      Snapshotter& snapshotter,
      MountCheck check_mounts = [](const std::string&,
                                   const std::vector<Mount>&) { return absl::OkStatus(); },
      ChainCheck check_chain = [](const std::string&,
                                  const std::string&) { return absl::OkStatus(); })
      : snapshotter_(snapshotter),
        check_mounts_(std::move(check_mounts)),
        check_chain_(std::move(check_chain)) {}

  grpc::Status Prepare(
      grpc::ServerContext* context,
      const containerd::services::snapshots::v1::PrepareSnapshotRequest* request,
      containerd::services::snapshots::v1::PrepareSnapshotResponse* response) override;
  grpc::Status View(grpc::ServerContext* context,
                    const containerd::services::snapshots::v1::ViewSnapshotRequest* request,
                    containerd::services::snapshots::v1::ViewSnapshotResponse* response) override;
  grpc::Status Mounts(grpc::ServerContext* context,
                      const containerd::services::snapshots::v1::MountsRequest* request,
                      containerd::services::snapshots::v1::MountsResponse* response) override;
  grpc::Status Commit(grpc::ServerContext* context,
                      const containerd::services::snapshots::v1::CommitSnapshotRequest* request,
                      google::protobuf::Empty* response) override;
  grpc::Status Remove(grpc::ServerContext* context,
                      const containerd::services::snapshots::v1::RemoveSnapshotRequest* request,
                      google::protobuf::Empty* response) override;
  grpc::Status Stat(grpc::ServerContext* context,
                    const containerd::services::snapshots::v1::StatSnapshotRequest* request,
                    containerd::services::snapshots::v1::StatSnapshotResponse* response) override;
  grpc::Status Update(
      grpc::ServerContext* context,
      const containerd::services::snapshots::v1::UpdateSnapshotRequest* request,
      containerd::services::snapshots::v1::UpdateSnapshotResponse* response) override;
  grpc::Status List(grpc::ServerContext* context,
                    const containerd::services::snapshots::v1::ListSnapshotsRequest* request,
                    grpc::ServerWriter<containerd::services::snapshots::v1::ListSnapshotsResponse>*
                        writer) override;
  grpc::Status Usage(grpc::ServerContext* context,
                     const containerd::services::snapshots::v1::UsageRequest* request,
                     containerd::services::snapshots::v1::UsageResponse* response) override;
  grpc::Status Cleanup(grpc::ServerContext* context,
                       const containerd::services::snapshots::v1::CleanupRequest* request,
                       google::protobuf::Empty* response) override;

 private:
  // The mounts of a new snapshot; one whose mounts the client cannot perform is taken back.
  absl::StatusOr<std::vector<Mount>> Checked(const grpc::ServerContext& context,
                                             const std::string& key,
                                             absl::StatusOr<std::vector<Mount>> mounts);

  Snapshotter& snapshotter_;
  const MountCheck check_mounts_;
  const ChainCheck check_chain_;
};

}  // namespace stowage
