#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace stowage {

// What every call on containerd's socket carries.
struct CallScope {
  std::shared_ptr<grpc::Channel> channel;  // shared with the client that opened it
  std::string containerd_namespace;
  std::string lease;  // empty before there is one
  absl::Time deadline;
};

// Sets deadline and metadata of one call.
void PrepareCall(const CallScope& scope, grpc::ClientContext& context);

// gRPC's status as ours: codes have equal numbers. what: what was tried, on which object.
absl::Status FromGrpcStatus(const grpc::Status& status, absl::string_view what);

}  // namespace stowage
