#include "plugin/cli/control_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "plugin/containerd/rpc.h"
#include "plugin/containerd/unix_socket.h"
#include "proto/stowage/stowage.grpc.pb.h"

namespace stowage {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);

absl::Status ExplainUnreachable(const absl::Status& probe, bool own_stowaged) {
  const absl::string_view reason = probe.message();
  switch (probe.code()) {
    case absl::StatusCode::kPermissionDenied:
      return absl::PermissionDeniedError(
          absl::StrCat("stowaged: ", reason, "; its control socket is for root: run this as root"));
    case absl::StatusCode::kFailedPrecondition:
      return absl::UnavailableError(
          absl::StrCat("stowaged: ", reason, "; name its control socket with --socket"));
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnavailable:
      if (own_stowaged)
        return absl::UnavailableError(absl::StrCat(
            "stowaged: ", reason,
            "; start this user's own ('stowaged --rootless'), or ask root's with sudo"));
      return absl::UnavailableError(absl::StrCat(
          "stowaged: ", reason,
          "; start it ('systemctl start stowaged'), or name another socket with --socket"));
    default:
      return absl::Status(probe.code(), absl::StrCat("stowaged: ", reason));
  }
}

// gRPC wants milliseconds that fit; a year is for ever here.
void SetDeadline(grpc::ClientContext& context, absl::Time deadline) {
  if (deadline < absl::Now() + absl::Hours(24 * 365))
    context.set_deadline(absl::ToChronoTime(deadline));
}

// One Resolve call, its operations on a completion queue so that waiting can tick.
class ResolveCall {
 public:
  ResolveCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& reference,
              v1::ResolveRequest::Fetch fetch, absl::Time deadline, const ResolveObserver& observer)
      : reference_(reference), observer_(observer) {
    SetDeadline(context_, deadline);
    v1::ResolveRequest request;
    request.set_reference(reference);
    request.set_fetch(fetch);
    reader_ = v1::Stowage::NewStub(channel)->PrepareAsyncResolve(&context_, request, &queue_);
  }

  // The queue must be empty before it goes; every operation was waited for.
  ~ResolveCall() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  absl::StatusOr<v1::ResolvedImage> Run() {
    reader_->StartCall(this);
    bool more = Wait();
    while (more) {
      v1::ResolveEvent event;
      reader_->Read(&event, this);
      more = Wait();
      if (more) Take(event);
    }
    grpc::Status status;
    reader_->Finish(&status, this);
    (void)Wait();  // Finish always succeeds; its outcome is in status
    STOWAGE_RETURN_IF_ERROR(FromGrpcStatus(status, absl::StrCat("resolve ", reference_)));
    if (!has_image_)
      return absl::InternalError(
          absl::StrCat("resolve ", reference_, ": stowaged ended the call without an image"));
    return std::move(image_);
  }

 private:
  // Waits for the operation that was started, ticking meanwhile; returns its success. Bounded by
  // the call's deadline, after which gRPC completes every operation.
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(absl::Now() + kTick)) ==
           grpc::CompletionQueue::TIMEOUT) {
      observer_.on_tick();
    }
    return ok;
  }

  void Take(v1::ResolveEvent& event) {
    if (event.has_progress()) observer_.on_progress(event.progress());
    if (!event.has_image()) return;
    image_ = std::move(*event.mutable_image());
    has_image_ = true;
  }

  const std::string& reference_;
  const ResolveObserver& observer_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::ResolveEvent>> reader_;
  v1::ResolvedImage image_;
  bool has_image_ = false;
};

}  // namespace

ControlClient::ControlClient(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)) {}

absl::StatusOr<ControlClient> ControlClient::Connect(const std::string& address,
                                                     bool own_stowaged) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string path, UnixSocketPath(address));
  if (const absl::Status probe = ProbeUnixSocket(path); !probe.ok())
    return ExplainUnreachable(probe, own_stowaged);
  grpc::ChannelArguments arguments;
  // An image of many thousand store paths is longer than gRPC's 4 MiB; the server is ours.
  arguments.SetMaxReceiveMessageSize(-1);
  return ControlClient(grpc::CreateCustomChannel(absl::StrCat("unix:", path),
                                                 grpc::InsecureChannelCredentials(), arguments));
}

absl::StatusOr<v1::ResolvedImage> ControlClient::Resolve(const std::string& reference,
                                                         absl::Time deadline,
                                                         const ResolveObserver& observer,
                                                         v1::ResolveRequest::Fetch fetch) const {
  return ResolveCall(channel_, reference, fetch, deadline, observer).Run();
}

absl::StatusOr<v1::ResolvedImage> ControlClient::Inspect(const std::string& reference,
                                                         absl::Time deadline) const {
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  v1::InspectRequest request;
  request.set_reference(reference);
  v1::InspectResponse response;
  STOWAGE_RETURN_IF_ERROR(
      FromGrpcStatus(v1::Stowage::NewStub(channel_)->Inspect(&context, request, &response),
                     absl::StrCat("inspect ", reference)));
  return std::move(*response.mutable_image());
}

absl::StatusOr<v1::StatusResponse> ControlClient::Status(absl::Time deadline) const {
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  v1::StatusResponse response;
  STOWAGE_RETURN_IF_ERROR(FromGrpcStatus(
      v1::Stowage::NewStub(channel_)->Status(&context, v1::StatusRequest(), &response),
      "ask stowaged for its status"));
  return response;
}

}  // namespace stowage
