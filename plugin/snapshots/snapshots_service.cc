#include "plugin/snapshots/snapshots_service.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace stowage {
namespace {

namespace api = containerd::services::snapshots::v1;

// Far above what containerd has in flight; a thread is made only when all others have work.
constexpr size_t kMaxThreads = 64;

// The answer of one List, written block by block: one is made while the one before is on its way,
// and the last goes together with the status.
class ListAnswer final : public grpc::ServerWriteReactor<api::ListSnapshotsResponse> {
 public:
  // Takes a block, and waits for the one before the last. False: the client has gone.
  bool Write(api::ListSnapshotsResponse block) {
    if (has_next_) {
      if (!WaitForWrite()) return false;
      written_ = std::move(next_);
      {
        const absl::MutexLock lock(&mutex_);
        writing_ = true;
      }
      StartWrite(&written_);
    }
    next_ = std::move(block);
    has_next_ = true;
    return true;
  }
  // Ends the answer, and with it this object.
  void End(const grpc::Status& status) {
    if (WaitForWrite() && status.ok() && has_next_) {
      StartWriteAndFinish(&next_, {}, status);
    } else {
      Finish(status);
    }
  }
  void OnWriteDone(bool ok) override {
    const absl::MutexLock lock(&mutex_);
    writing_ = false;
    connected_ = ok;
  }
  // gRPC's last use of it; nobody else owns a reactor.
  void OnDone() override { delete this; }

 private:
  bool WaitForWrite() {
    const auto done = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !writing_; };
    const absl::MutexLock lock(&mutex_, absl::Condition(&done));
    return connected_;
  }

  bool has_next_ = false;
  api::ListSnapshotsResponse next_;     // not yet begun to be written
  api::ListSnapshotsResponse written_;  // gRPC's while writing_
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool connected_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace

SnapshotsService::SnapshotsService(Snapshotter& snapshotter, SnapshotPeerChecks checks)
    : snapshotter_(snapshotter), calls_(snapshotter, std::move(checks)), threads_(kMaxThreads) {}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* SnapshotsService::AnswerHere(Call<Request, Response> call,
                                                       grpc::CallbackServerContext& context,
                                                       const Request& request, Response& response) {
  grpc::ServerUnaryReactor* const reactor = context.DefaultReactor();
  reactor->Finish((calls_.*call)(context.peer(), request, response));
  return reactor;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* SnapshotsService::AnswerAside(Call<Request, Response> call,
                                                        grpc::CallbackServerContext& context,
                                                        const Request& request,
                                                        Response& response) {
  grpc::ServerUnaryReactor* const reactor = context.DefaultReactor();
  // All of these live until Finish.
  threads_.Submit([this, call, reactor, &context, &request, &response] {
    reactor->Finish((calls_.*call)(context.peer(), request, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SnapshotsService::Prepare(grpc::CallbackServerContext* context,
                                                    const api::PrepareSnapshotRequest* request,
                                                    api::PrepareSnapshotResponse* response) {
  return AnswerAside(&SnapshotCalls::Prepare, *context, *request, *response);
}

grpc::ServerUnaryReactor* SnapshotsService::View(grpc::CallbackServerContext* context,
                                                 const api::ViewSnapshotRequest* request,
                                                 api::ViewSnapshotResponse* response) {
  return AnswerAside(&SnapshotCalls::View, *context, *request, *response);
}

grpc::ServerUnaryReactor* SnapshotsService::Mounts(grpc::CallbackServerContext* context,
                                                   const api::MountsRequest* request,
                                                   api::MountsResponse* response) {
  return snapshotter_.MountsMayWait(request->key())
             ? AnswerAside(&SnapshotCalls::Mounts, *context, *request, *response)
             : AnswerHere(&SnapshotCalls::Mounts, *context, *request, *response);
}

grpc::ServerUnaryReactor* SnapshotsService::Commit(grpc::CallbackServerContext* context,
                                                   const api::CommitSnapshotRequest* request,
                                                   google::protobuf::Empty* response) {
  return AnswerAside(&SnapshotCalls::Commit, *context, *request, *response);
}

grpc::ServerUnaryReactor* SnapshotsService::Remove(grpc::CallbackServerContext* context,
                                                   const api::RemoveSnapshotRequest* request,
                                                   google::protobuf::Empty* response) {
  return AnswerAside(&SnapshotCalls::Remove, *context, *request, *response);
}

grpc::ServerUnaryReactor* SnapshotsService::Stat(grpc::CallbackServerContext* context,
                                                 const api::StatSnapshotRequest* request,
                                                 api::StatSnapshotResponse* response) {
  return AnswerHere(&SnapshotCalls::Stat, *context, *request, *response);
}

grpc::ServerUnaryReactor* SnapshotsService::Update(grpc::CallbackServerContext* context,
                                                   const api::UpdateSnapshotRequest* request,
                                                   api::UpdateSnapshotResponse* response) {
  return AnswerAside(&SnapshotCalls::Update, *context, *request, *response);
}

grpc::ServerWriteReactor<api::ListSnapshotsResponse>* SnapshotsService::List(
    grpc::CallbackServerContext* context, const api::ListSnapshotsRequest* request) {
  auto* const answer = new ListAnswer;
  threads_.Submit([this, answer, context, request] {
    answer->End(calls_.List(context->peer(), *request, [answer](api::ListSnapshotsResponse block) {
      return answer->Write(std::move(block));
    }));
  });
  return answer;
}

grpc::ServerUnaryReactor* SnapshotsService::Usage(grpc::CallbackServerContext* context,
                                                  const api::UsageRequest* request,
                                                  api::UsageResponse* response) {
  const grpc::Status status = calls_.UsageOfFew(context->peer(), *request, *response);
  if (status.error_code() == grpc::OUT_OF_RANGE)
    return AnswerAside(&SnapshotCalls::Usage, *context, *request, *response);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::ServerUnaryReactor* SnapshotsService::Cleanup(grpc::CallbackServerContext* context,
                                                    const api::CleanupRequest* request,
                                                    google::protobuf::Empty* response) {
  return AnswerAside(&SnapshotCalls::Cleanup, *context, *request, *response);
}

}  // namespace stowage
