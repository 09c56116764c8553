#pragma once

#include <functional>

#include "base/thread_pool.h"
#include "plugin/snapshots/snapshot_calls.h"
#include "plugin/snapshots/snapshotter.h"
#include "proto/containerd/snapshots.grpc.pb.h"

namespace stowage {

// SnapshotCalls as a gRPC service: decides which thread runs a call. What is answered from memory
// runs where the request was read, which saves two thread switches; whatever may wait for a disk, a
// lock or the client runs on a thread of its own, so that it keeps no other call waiting.
class SnapshotsService final
    : public containerd::services::snapshots::v1::Snapshots::CallbackService {
 public:
  // snapshotter must outlive the service.
  explicit SnapshotsService(Snapshotter& snapshotter, SnapshotPeerChecks checks = {});

  grpc::ServerUnaryReactor* Prepare(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::PrepareSnapshotRequest* request,
      containerd::services::snapshots::v1::PrepareSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* View(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::ViewSnapshotRequest* request,
      containerd::services::snapshots::v1::ViewSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* Mounts(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::MountsRequest* request,
      containerd::services::snapshots::v1::MountsResponse* response) override;
  grpc::ServerUnaryReactor* Commit(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::CommitSnapshotRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* Remove(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::RemoveSnapshotRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* Stat(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::StatSnapshotRequest* request,
      containerd::services::snapshots::v1::StatSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* Update(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::UpdateSnapshotRequest* request,
      containerd::services::snapshots::v1::UpdateSnapshotResponse* response) override;
  grpc::ServerWriteReactor<containerd::services::snapshots::v1::ListSnapshotsResponse>* List(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::ListSnapshotsRequest* request) override;
  grpc::ServerUnaryReactor* Usage(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::UsageRequest* request,
      containerd::services::snapshots::v1::UsageResponse* response) override;
  grpc::ServerUnaryReactor* Cleanup(
      grpc::CallbackServerContext* context,
      const containerd::services::snapshots::v1::CleanupRequest* request,
      google::protobuf::Empty* response) override;

 private:
  template <typename Request, typename Response>
  using Call = grpc::Status (SnapshotCalls::*)(const std::string&, const Request&, Response&);

  // Answers before it returns.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* AnswerHere(Call<Request, Response> call,
                                       grpc::CallbackServerContext& context, const Request& request,
                                       Response& response);
  // Returns at once and answers from a thread of its own.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* AnswerAside(Call<Request, Response> call,
                                        grpc::CallbackServerContext& context,
                                        const Request& request, Response& response);

  const Snapshotter& snapshotter_;
  SnapshotCalls calls_;
  ThreadPool threads_;  // last: its destructor waits for calls, which use the members above
};

}  // namespace stowage
