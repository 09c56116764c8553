#include "plugin/containerd/snapshot_removal.h"

#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "proto/containerd/containers.grpc.pb.h"
#include "proto/containerd/snapshots.grpc.pb.h"

namespace stowage {
namespace {

namespace snapshots_api = ::containerd::services::snapshots::v1;
namespace containers_api = ::containerd::services::containers::v1;

constexpr size_t kMaxNamed = 10;

absl::StatusOr<std::vector<std::string>> SnapshotsOn(const CallScope& scope,
                                                     const SnapshotName& parent) {
  snapshots_api::ListSnapshotsRequest request;
  request.set_snapshotter(parent.snapshotter);
  grpc::ClientContext context;
  PrepareCall(scope, context);
  const auto reader = snapshots_api::Snapshots::NewStub(scope.channel)->List(&context, request);
  std::vector<std::string> keys;
  snapshots_api::ListSnapshotsResponse block;
  while (reader->Read(&block)) {
    for (const snapshots_api::Info& info : block.info())
      if (info.parent() == parent.key) keys.push_back(info.name());
  }
  STOWAGE_RETURN_IF_ERROR(
      FromGrpcStatus(reader->Finish(),
                     absl::StrCat("list the snapshots of snapshotter '", parent.snapshotter, "'")));
  return keys;
}

// {key of its snapshot: ID} of all containers of a snapshotter.
absl::StatusOr<std::map<std::string, std::string>> ContainersBySnapshot(
    const CallScope& scope, const std::string& snapshotter) {
  containers_api::ListContainersResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  STOWAGE_RETURN_IF_ERROR(FromGrpcStatus(
      containers_api::Containers::NewStub(scope.channel)->List(&context, {}, &response),
      "list containers"));
  std::map<std::string, std::string> ids;
  for (const containers_api::Container& container : response.containers())
    if (container.snapshotter() == snapshotter) ids[container.snapshot_key()] = container.id();
  return ids;
}

// "container 'a', snapshot 'b' and 3 more"; "" if nothing stands on it.
absl::StatusOr<std::string> UsersOf(const CallScope& scope, const SnapshotName& snapshot) {
  STOWAGE_ASSIGN_OR_RETURN(const auto keys, SnapshotsOn(scope, snapshot));
  STOWAGE_ASSIGN_OR_RETURN(const auto containers,
                           ContainersBySnapshot(scope, snapshot.snapshotter));
  std::vector<std::string> users;
  for (const std::string& key : keys) {
    if (users.size() == kMaxNamed) break;
    const auto container = containers.find(key);
    users.push_back(container == containers.end()
                        ? absl::StrCat("snapshot '", key, "'")
                        : absl::StrCat("container '", container->second, "'"));
  }
  const std::string named = absl::StrJoin(users, ", ");
  return keys.size() > users.size()
             ? absl::StrCat(named, " and ", keys.size() - users.size(), " more")
             : named;
}

}  // namespace

absl::Status RemoveSnapshot(const CallScope& scope, const SnapshotName& snapshot) {
  snapshots_api::RemoveSnapshotRequest request;
  request.set_snapshotter(snapshot.snapshotter);
  request.set_key(snapshot.key);
  google::protobuf::Empty response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  return FromGrpcStatus(
      snapshots_api::Snapshots::NewStub(scope.channel)->Remove(&context, request, &response),
      absl::StrCat("remove snapshot '", snapshot.key, "'"));
}

absl::Status RemoveUnusedSnapshot(const CallScope& scope, const SnapshotName& snapshot) {
  const absl::Status removed = RemoveSnapshot(scope, snapshot);
  if (!absl::IsFailedPrecondition(removed)) return removed;
  STOWAGE_ASSIGN_OR_RETURN(const std::string users, UsersOf(scope, snapshot));
  if (users.empty()) return removed;
  return absl::FailedPreconditionError(
      absl::StrCat("remove snapshot '", snapshot.key, "' of snapshotter '", snapshot.snapshotter,
                   "': in namespace '", scope.containerd_namespace, "' it is used by ", users,
                   "; nothing was changed: remove them and try again"));
}

}  // namespace stowage
