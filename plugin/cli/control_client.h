#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/stowage/stowage.pb.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace stowage {

// Who watches a Resolve. Called on the thread that called Resolve.
struct ResolveObserver {
  std::function<void(const v1::Progress&)> on_progress = [](const v1::Progress&) {};
  std::function<void()> on_tick = [] {};  // about ten times a second, also when nothing happens
};

// Client of stowaged's control socket. Thread-safe; movable.
class ControlClient {
 public:
  // Errors: Unavailable when stowaged does not listen there, PermissionDenied when the socket is
  // not for this user, InvalidArgument for what is no socket address; each says what to do.
  //
  // own_stowaged: the address is that of an ordinary user's stowaged, and root's may be meant.
  static absl::StatusOr<ControlClient> Connect(const std::string& address,
                                               bool own_stowaged = false);

  // Errors of all calls: what stowaged answered (see stowage.proto), Unavailable when it goes
  // meanwhile, DeadlineExceeded; the message begins with the call and its reference.
  absl::StatusOr<v1::ResolvedImage> Resolve(
      const std::string& reference, absl::Time deadline, const ResolveObserver& observer,
      v1::ResolveRequest::Fetch fetch = v1::ResolveRequest::AS_CONFIGURED) const;
  absl::StatusOr<v1::ResolvedImage> Inspect(const std::string& reference,
                                            absl::Time deadline) const;
  absl::StatusOr<v1::StatusResponse> Status(absl::Time deadline) const;

 private:
  explicit ControlClient(std::shared_ptr<grpc::Channel> channel);

  std::shared_ptr<grpc::Channel> channel_;  // gRPC's interface; stubs and running calls share it
};

}  // namespace stowage
