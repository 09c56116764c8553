#include "plugin/containerd/rpc.h"

#include "absl/strings/str_cat.h"

namespace stowage {

void PrepareCall(const CallScope& scope, grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(scope.deadline));
  context.AddMetadata("containerd-namespace", scope.containerd_namespace);
  if (!scope.lease.empty()) context.AddMetadata("containerd-lease", scope.lease);
}

absl::Status FromGrpcStatus(const grpc::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(what, ": ", status.error_message()));
}

}  // namespace stowage
