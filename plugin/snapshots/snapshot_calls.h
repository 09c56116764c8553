#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugin/snapshots/snapshotter.h"
#include "proto/containerd/snapshots.pb.h"

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

// The calls of containerd.services.snapshots.v1.Snapshots in front of a Snapshotter: translates,
// decides nothing. Each call answers when it returns; peer is grpc::ServerContextBase::peer(). The
// field `snapshotter` of requests is not looked at: a proxy plugin's socket serves one snapshotter,
// under whatever name containerd's configuration gives it. Thread-safe.
class SnapshotCalls {
 public:
  // snapshotter must outlive the calls.
  explicit SnapshotCalls(Snapshotter& snapshotter, SnapshotPeerChecks checks)
      : snapshotter_(snapshotter), checks_(std::move(checks)) {}

  grpc::Status Prepare(const std::string& peer,
                       const containerd::services::snapshots::v1::PrepareSnapshotRequest& request,
                       containerd::services::snapshots::v1::PrepareSnapshotResponse& response);
  grpc::Status View(const std::string& peer,
                    const containerd::services::snapshots::v1::ViewSnapshotRequest& request,
                    containerd::services::snapshots::v1::ViewSnapshotResponse& response);
  grpc::Status Mounts(const std::string& peer,
                      const containerd::services::snapshots::v1::MountsRequest& request,
                      containerd::services::snapshots::v1::MountsResponse& response);
  grpc::Status Commit(const std::string& peer,
                      const containerd::services::snapshots::v1::CommitSnapshotRequest& request,
                      google::protobuf::Empty& response);
  grpc::Status Remove(const std::string& peer,
                      const containerd::services::snapshots::v1::RemoveSnapshotRequest& request,
                      google::protobuf::Empty& response);
  grpc::Status Stat(const std::string& peer,
                    const containerd::services::snapshots::v1::StatSnapshotRequest& request,
                    containerd::services::snapshots::v1::StatSnapshotResponse& response);
  grpc::Status Update(const std::string& peer,
                      const containerd::services::snapshots::v1::UpdateSnapshotRequest& request,
                      containerd::services::snapshots::v1::UpdateSnapshotResponse& response);
  // write: takes one block of the answer; false ends the call, since the client has gone.
  grpc::Status List(
      const std::string& peer,
      const containerd::services::snapshots::v1::ListSnapshotsRequest& request,
      absl::FunctionRef<bool(containerd::services::snapshots::v1::ListSnapshotsResponse)> write);
  grpc::Status Usage(const std::string& peer,
                     const containerd::services::snapshots::v1::UsageRequest& request,
                     containerd::services::snapshots::v1::UsageResponse& response);
  // As Usage, but ends with OUT_OF_RANGE at a snapshot of more than a few inodes.
  grpc::Status UsageOfFew(const std::string& peer,
                          const containerd::services::snapshots::v1::UsageRequest& request,
                          containerd::services::snapshots::v1::UsageResponse& response);
  grpc::Status Cleanup(const std::string& peer,
                       const containerd::services::snapshots::v1::CleanupRequest& request,
                       google::protobuf::Empty& response);

 private:
  // The mounts of a new snapshot; one whose mounts the client cannot perform is taken back.
  absl::StatusOr<std::vector<Mount>> Checked(const std::string& peer, const std::string& key,
                                             absl::StatusOr<std::vector<Mount>> mounts);

  Snapshotter& snapshotter_;
  const SnapshotPeerChecks checks_;
};

}  // namespace stowage
