#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proto/stowage/stowage.grpc.pb.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// The function that answers a call. The server runs already when a test sets it, and its threads
// share no lock with the test, so it has one of its own.
template <typename Signature>
class Answer {
 public:
  template <typename Function>
  void operator=(Function function) {
    absl::MutexLock lock(&mutex_);
    function_ = std::move(function);
  }

  std::function<Signature> get() const {
    absl::MutexLock lock(&mutex_);
    return function_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::function<Signature> function_ ABSL_GUARDED_BY(mutex_);
};

// The control API on a socket of its own, each call answered by a function that a test sets; to
// test what the client makes of it.
class FakeStowaged final : private v1::Stowage::Service {
 public:
  using ResolveWriter = grpc::ServerWriter<v1::ResolveEvent>;

  FakeStowaged();
  // Ends calls that still run.
  ~FakeStowaged();

  std::string socket() const { return directory_.Join("control.sock"); }

  Answer<grpc::Status(grpc::ServerContext&, const v1::ResolveRequest&, ResolveWriter&)> resolve;
  Answer<grpc::Status(const v1::InspectRequest&, v1::ResolvedImage&)> inspect;
  Answer<grpc::Status(v1::StatusResponse&)> status;

 private:
  grpc::Status Resolve(grpc::ServerContext* context, const v1::ResolveRequest* request,
                       ResolveWriter* writer) override;
  grpc::Status Inspect(grpc::ServerContext* context, const v1::InspectRequest* request,
                       v1::InspectResponse* response) override;
  grpc::Status Status(grpc::ServerContext* context, const v1::StatusRequest* request,
                      v1::StatusResponse* response) override;

  TemporaryDirectory directory_;
  std::unique_ptr<grpc::Server> server_;
};

v1::ResolveEvent ProgressEvent(v1::Progress::Phase phase, const std::string& message);
v1::ResolveEvent ImageEvent(const v1::ResolvedImage& image);

}  // namespace stowage::testing
