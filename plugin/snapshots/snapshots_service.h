#pragma once

#include "absl/status/status.h"
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
  // snapshotter must outlive the service.
  explicit SnapshotsService(Snapshotter& snapshotter) : snapshotter_(snapshotter) {}

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
  Snapshotter& snapshotter_;
};

}  // namespace stowage
