#pragma once

#include <grpcpp/server.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/containerd/snapshots.grpc.pb.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

namespace snapshots_api = ::containerd::services::snapshots::v1;

// What containerd's side needs of a remote snapshotter, and no more: rows without mounts, on a
// socket of its own. A Prepare of a known chain ID is answered AlreadyExists by a committed row.
// Thread-safe.
class StandInSnapshotter final : private snapshots_api::Snapshots::Service {
 public:
  StandInSnapshotter();
  ~StandInSnapshotter();

  std::string socket() const { return directory_.Join("snapshotter.sock"); }
  void Know(const std::string& chain_id);
  // Every Prepare takes this long from now on, or until its caller leaves.
  void DelayPrepare(absl::Duration delay);
  // Backend keys of all rows.
  std::set<std::string> Keys();
  int prepare_calls();

 private:
  grpc::Status Prepare(grpc::ServerContext* context,
                       const snapshots_api::PrepareSnapshotRequest* request,
                       snapshots_api::PrepareSnapshotResponse* response) override;
  grpc::Status Commit(grpc::ServerContext* context,
                      const snapshots_api::CommitSnapshotRequest* request,
                      google::protobuf::Empty* response) override;
  grpc::Status Remove(grpc::ServerContext* context,
                      const snapshots_api::RemoveSnapshotRequest* request,
                      google::protobuf::Empty* response) override;
  grpc::Status Stat(grpc::ServerContext* context, const snapshots_api::StatSnapshotRequest* request,
                    snapshots_api::StatSnapshotResponse* response) override;
  grpc::Status List(grpc::ServerContext* context,
                    const snapshots_api::ListSnapshotsRequest* request,
                    grpc::ServerWriter<snapshots_api::ListSnapshotsResponse>* writer) override;
  grpc::Status Usage(grpc::ServerContext* context, const snapshots_api::UsageRequest* request,
                     snapshots_api::UsageResponse* response) override;
  grpc::Status Cleanup(grpc::ServerContext* context, const snapshots_api::CleanupRequest* request,
                       google::protobuf::Empty* response) override;

  TemporaryDirectory directory_;
  absl::Mutex mutex_;
  std::set<std::string> known_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, snapshots_api::Info> rows_ ABSL_GUARDED_BY(mutex_);
  absl::Duration delay_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  int prepare_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace stowage::testing
