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

// What the client of a connection (grpc::ServerContext::peer()) is asked for; an error is the
// call's answer, and an empty function passes everybody.
struct SnapshotPeerChecks {
  // Before whatever changes or lists snapshots.
  std::function<absl::Status(const std::string& peer)> admit;
  // Whether the client can perform these mounts, before they are handed out.
  std::function<absl::Status(const std::string& peer, const std::vector<Mount>& mounts)> mounts;
  // Whether the client may get a remote snapshot for this chain, so that what could never be
  // mounted fails when the image is pulled.
  std::function<absl::Status(const std::string& peer, const std::string& chain_id)> chain;
};

// containerd.services.snapshots.v1.Snapshots in front of a Snapshotter: translates, decides
// nothing. The field `snapshotter` of requests is not looked at: a proxy plugin's socket serves one
// snapshotter, under whatever name containerd's configuration gives it. Thread-safe.
class SnapshotsService final : public containerd::services::snapshots::v1::Snapshots::Service {
 public:
  // snapshotter must outlive the service.
  explicit SnapshotsService(Snapshotter& snapshotter, SnapshotPeerChecks checks = {})
      : snapshotter_(snapshotter), checks_(std::move(checks)) {}

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
  const SnapshotPeerChecks checks_;
};

}  // namespace stowage
