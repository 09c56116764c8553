#include "plugin/containerd/remote_snapshot.h"

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "plugin/containerd/labels.h"
#include "plugin/containerd/snapshot_removal.h"
#include "proto/containerd/snapshots.grpc.pb.h"

namespace stowage {
namespace {

namespace api = ::containerd::services::snapshots::v1;

// An extract key as containerd's unpacker makes them, so that whoever looks finds what they know.
std::string ExtractKey(const std::string& chain_id) {
  absl::BitGen random;
  return absl::StrFormat("extract-%d-%08x %s", absl::ToUnixNanos(absl::Now()),
                         absl::Uniform<uint32_t>(random), chain_id);
}

absl::Status PrepareOnEmptyParent(const CallScope& scope, const std::string& snapshotter,
                                  const std::string& key, const std::string& chain_id) {
  api::PrepareSnapshotRequest request;
  request.set_snapshotter(snapshotter);
  request.set_key(key);
  (*request.mutable_labels())["containerd.io/snapshot.ref"] = chain_id;
  api::PrepareSnapshotResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  return FromGrpcStatus(
      api::Snapshots::NewStub(scope.channel)->Prepare(&context, request, &response),
      absl::StrCat("prepare snapshot ", chain_id, " in snapshotter '", snapshotter, "'"));
}

// The snapshotter made an ordinary snapshot: take it away and say why there is none of ours.
absl::Status NotRemote(const CallScope& scope, const std::string& snapshotter,
                       const std::string& key, const std::string& chain_id) {
  std::string message =
      absl::StrCat("snapshotter '", snapshotter, "' does not know the image's layers (chain ",
                   chain_id, "): does [proxy_plugins.", snapshotter,
                   "] in containerd's configuration name the socket of this node's stowaged (see "
                   "'stowage status')?");
  if (const absl::Status removed = RemoveSnapshot(scope, {snapshotter, key}); !removed.ok())
    absl::StrAppend(&message, "; also: ", removed.message());
  return absl::FailedPreconditionError(message);
}

// containerd's refusals, with what to do about those that a user meets.
absl::Status ExplainPrepare(const absl::Status& status, const std::string& snapshotter) {
  if (absl::IsInvalidArgument(status) && absl::StrContains(status.message(), "not loaded"))
    return absl::FailedPreconditionError(absl::StrCat(
        status.message(),
        "; containerd has no snapshotter of this name: add to its configuration\n",
        "  [proxy_plugins.", snapshotter, "]\n", "    type = \"snapshot\"\n",
        "    address = \"/run/stowage/snapshotter.sock\"\n", "and restart containerd"));
  if (absl::IsUnavailable(status))
    return absl::UnavailableError(absl::StrCat(
        status.message(), "; is stowaged running, and does [proxy_plugins.", snapshotter,
        "] in containerd's configuration name its socket (see 'stowage status')?"));
  return status;
}

absl::StatusOr<bool> IsRemote(const CallScope& scope, const std::string& snapshotter,
                              const std::string& chain_id) {
  api::StatSnapshotRequest request;
  request.set_snapshotter(snapshotter);
  request.set_key(chain_id);
  api::StatSnapshotResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  STOWAGE_RETURN_IF_ERROR(
      FromGrpcStatus(api::Snapshots::NewStub(scope.channel)->Stat(&context, request, &response),
                     absl::StrCat("look at snapshot ", chain_id)));
  return response.info().labels().contains(kRemoteLayerLabel);
}

// One attempt; never kReplaced.
absl::StatusOr<ClaimedSnapshot> Claim(const CallScope& scope, const std::string& snapshotter,
                                      const std::string& chain_id) {
  const std::string key = ExtractKey(chain_id);
  const absl::Status prepared = PrepareOnEmptyParent(scope, snapshotter, key, chain_id);
  if (prepared.ok()) return NotRemote(scope, snapshotter, key, chain_id);
  if (!absl::IsAlreadyExists(prepared)) return ExplainPrepare(prepared, snapshotter);
  STOWAGE_ASSIGN_OR_RETURN(const bool remote, IsRemote(scope, snapshotter, chain_id));
  return remote ? ClaimedSnapshot::kRemote : ClaimedSnapshot::kOrdinary;
}

}  // namespace

absl::StatusOr<ClaimedSnapshot> ClaimRemoteSnapshot(const CallScope& scope,
                                                    const std::string& snapshotter,
                                                    const std::string& chain_id,
                                                    bool replace_ordinary) {
  STOWAGE_ASSIGN_OR_RETURN(const ClaimedSnapshot claimed, Claim(scope, snapshotter, chain_id));
  if (claimed == ClaimedSnapshot::kRemote || !replace_ordinary) return claimed;
  STOWAGE_RETURN_IF_ERROR(RemoveUnusedSnapshot(scope, {snapshotter, chain_id}));
  STOWAGE_ASSIGN_OR_RETURN(const ClaimedSnapshot again, Claim(scope, snapshotter, chain_id));
  if (again == ClaimedSnapshot::kRemote) return ClaimedSnapshot::kReplaced;
  return absl::AbortedError(absl::StrCat("replace snapshot ", chain_id,
                                         ": another client has unpacked it again meanwhile"));
}

}  // namespace stowage
