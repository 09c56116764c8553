#include "plugin/containerd/lease.h"

#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "plugin/containerd/labels.h"
#include "proto/containerd/leases.grpc.pb.h"

namespace stowage {
namespace {

namespace api = ::containerd::services::leases::v1;

// Long against the milliseconds that an import takes, short against what a dead client leaves
// behind.
constexpr absl::Duration kLeaseLifetime = absl::Hours(1);

// The lease must also go when the caller's deadline is what ended the import.
constexpr absl::Duration kDeleteTimeout = absl::Seconds(5);

}  // namespace

absl::StatusOr<Lease> Lease::Create(const CallScope& scope) {
  absl::BitGen random;
  const std::string id = absl::StrFormat("stowage-%016x%016x", absl::Uniform<uint64_t>(random),
                                         absl::Uniform<uint64_t>(random));
  api::CreateRequest request;
  request.set_id(id);
  (*request.mutable_labels())[kGcExpireLabel] =
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now() + kLeaseLifetime, absl::UTCTimeZone());
  api::CreateResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  STOWAGE_RETURN_IF_ERROR(
      FromGrpcStatus(api::Leases::NewStub(scope.channel)->Create(&context, request, &response),
                     "create a lease in containerd"));
  CallScope leased = scope;
  leased.lease = id;
  return Lease(std::move(leased));
}

Lease::Lease(Lease&& other) noexcept : scope_(std::move(other.scope_)) {
  other.scope_.lease.clear();
}

Lease::~Lease() { (void)Delete(); }

absl::Status Lease::Delete() {
  if (scope_.lease.empty()) return absl::OkStatus();
  api::DeleteRequest request;
  request.set_id(std::exchange(scope_.lease, ""));
  google::protobuf::Empty response;
  CallScope scope = scope_;
  scope.deadline = absl::Now() + kDeleteTimeout;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  return FromGrpcStatus(api::Leases::NewStub(scope.channel)->Delete(&context, request, &response),
                        absl::StrCat("delete containerd's lease ", request.id()));
}

}  // namespace stowage
