#include "plugin/snapshots/snapshot_calls.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace stowage {
namespace {

namespace api = containerd::services::snapshots::v1;

// Both codes are those of google.rpc.Code.
static_assert(static_cast<int>(absl::StatusCode::kInvalidArgument) == grpc::INVALID_ARGUMENT);
static_assert(static_cast<int>(absl::StatusCode::kNotFound) == grpc::NOT_FOUND);
static_assert(static_cast<int>(absl::StatusCode::kAlreadyExists) == grpc::ALREADY_EXISTS);
static_assert(static_cast<int>(absl::StatusCode::kResourceExhausted) == grpc::RESOURCE_EXHAUSTED);
static_assert(static_cast<int>(absl::StatusCode::kFailedPrecondition) == grpc::FAILED_PRECONDITION);
static_assert(static_cast<int>(absl::StatusCode::kUnavailable) == grpc::UNAVAILABLE);
static_assert(static_cast<int>(absl::StatusCode::kUnauthenticated) == grpc::UNAUTHENTICATED);

// containerd's client stops at 16 MiB per message, and reads blocks of 100 from its own server.
constexpr int kMaxSnapshotsPerBlock = 100;
constexpr size_t kFullBlockBytes = size_t{1} << 20;

// Measured in less time than another thread needs to begin.
constexpr int64_t kFewInodes = 16;

template <typename Map>
SnapshotLabels LabelsOf(const Map& labels) {
  return SnapshotLabels(labels.begin(), labels.end());
}

template <typename Response>
grpc::Status Fill(const absl::StatusOr<std::vector<Mount>>& mounts, Response& response) {
  if (!mounts.ok()) return ToGrpcStatus(mounts.status());
  for (const Mount& mount : *mounts) {
    containerd::types::Mount& out = *response.add_mounts();
    out.set_type(mount.type);
    out.set_source(mount.source);
    for (const std::string& option : mount.options) out.add_options(option);
  }
  return grpc::Status::OK;
}

grpc::Status Fill(const absl::StatusOr<SnapshotUsage>& usage, api::UsageResponse& response) {
  if (!usage.ok()) return ToGrpcStatus(usage.status());
  response.set_size(usage->size_bytes);
  response.set_inodes(usage->inodes);
  return grpc::Status::OK;
}

google::protobuf::Timestamp TimestampOf(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

void FillInfo(const Snapshot& snapshot, api::Info& info) {
  info.set_name(snapshot.name);
  info.set_parent(snapshot.parent);
  info.set_kind(static_cast<api::Kind>(snapshot.kind));
  *info.mutable_created_at() = TimestampOf(snapshot.created_at);
  *info.mutable_updated_at() = TimestampOf(snapshot.updated_at);
  for (const auto& [label, value] : snapshot.labels) (*info.mutable_labels())[label] = value;
}

template <typename Check, typename... Arguments>
absl::Status Passes(const Check& check, const std::string& peer, const Arguments&... arguments) {
  return check ? check(peer, arguments...) : absl::OkStatus();
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::StatusOr<std::vector<Mount>> SnapshotCalls::Checked(
    const std::string& peer, const std::string& key, absl::StatusOr<std::vector<Mount>> mounts) {
  if (!mounts.ok()) return mounts;
  const absl::Status visible = Passes(checks_.mounts, peer, *mounts);
  if (visible.ok()) return mounts;
  // The caller will not know the key; a retry must find it free. Should this fail, garbage
  // collection finds a snapshot that containerd does not know.
  (void)snapshotter_.Remove(key);
  return visible;
}

grpc::Status SnapshotCalls::Prepare(const std::string& peer,
                                    const api::PrepareSnapshotRequest& request,
                                    api::PrepareSnapshotResponse& response) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  const auto chain = request.labels().find(kSnapshotRefLabel);
  if (chain != request.labels().end()) {
    const absl::Status visible = Passes(checks_.chain, peer, chain->second);
    if (!visible.ok()) return ToGrpcStatus(visible);
  }
  return Fill(
      Checked(peer, request.key(),
              snapshotter_.Prepare(request.key(), request.parent(), LabelsOf(request.labels()))),
      response);
}

grpc::Status SnapshotCalls::View(const std::string& peer, const api::ViewSnapshotRequest& request,
                                 api::ViewSnapshotResponse& response) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  return Fill(
      Checked(peer, request.key(),
              snapshotter_.View(request.key(), request.parent(), LabelsOf(request.labels()))),
      response);
}

grpc::Status SnapshotCalls::Mounts(const std::string& peer, const api::MountsRequest& request,
                                   api::MountsResponse& response) {
  const auto mounts = snapshotter_.Mounts(request.key());
  if (mounts.ok()) {
    if (const absl::Status visible = Passes(checks_.mounts, peer, *mounts); !visible.ok())
      return ToGrpcStatus(visible);
  }
  return Fill(mounts, response);
}

grpc::Status SnapshotCalls::Commit(const std::string& peer,
                                   const api::CommitSnapshotRequest& request,
                                   google::protobuf::Empty& /*response*/) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  // Sent only to snapshotters that declare the capability `rebase`. Ignoring it would commit other
  // content than was asked for.
  if (!request.parent().empty())
    return {grpc::UNIMPLEMENTED,
            "commit snapshot " + request.key() + ": changing the parent is not supported"};
  return ToGrpcStatus(
      snapshotter_.Commit(request.name(), request.key(), LabelsOf(request.labels())));
}

grpc::Status SnapshotCalls::Remove(const std::string& peer,
                                   const api::RemoveSnapshotRequest& request,
                                   google::protobuf::Empty& /*response*/) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  return ToGrpcStatus(snapshotter_.Remove(request.key()));
}

grpc::Status SnapshotCalls::Stat(const std::string& /*peer*/,
                                 const api::StatSnapshotRequest& request,
                                 api::StatSnapshotResponse& response) {
  const absl::StatusOr<Snapshot> snapshot = snapshotter_.Stat(request.key());
  if (snapshot.ok()) FillInfo(*snapshot, *response.mutable_info());
  return ToGrpcStatus(snapshot.status());
}

grpc::Status SnapshotCalls::Update(const std::string& peer,
                                   const api::UpdateSnapshotRequest& request,
                                   api::UpdateSnapshotResponse& response) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  Snapshot wanted;
  wanted.name = request.info().name();
  wanted.labels = LabelsOf(request.info().labels());
  const auto& paths = request.update_mask().paths();
  const absl::StatusOr<Snapshot> updated =
      snapshotter_.Update(wanted, std::vector<std::string>(paths.begin(), paths.end()));
  if (updated.ok()) FillInfo(*updated, *response.mutable_info());
  return ToGrpcStatus(updated.status());
}

grpc::Status SnapshotCalls::List(const std::string& peer, const api::ListSnapshotsRequest& request,
                                 absl::FunctionRef<bool(api::ListSnapshotsResponse)> write) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  const std::vector<std::string> filters(request.filters().begin(), request.filters().end());
  api::ListSnapshotsResponse block;
  size_t block_bytes = 0;
  const auto send = [&]() -> absl::Status {
    if (block.info_size() == 0) return absl::OkStatus();
    if (!write(std::move(block)))
      return absl::CancelledError("list snapshots: the client has gone");
    block.Clear();  // what a moved-from message holds is not said
    block_bytes = 0;
    return absl::OkStatus();
  };
  absl::Status status = snapshotter_.Walk(filters, [&](const Snapshot& snapshot) -> absl::Status {
    api::Info& info = *block.add_info();
    FillInfo(snapshot, info);
    block_bytes += info.ByteSizeLong();
    if (block.info_size() < kMaxSnapshotsPerBlock && block_bytes < kFullBlockBytes)
      return absl::OkStatus();
    return send();
  });
  if (status.ok()) status = send();
  return ToGrpcStatus(status);
}

grpc::Status SnapshotCalls::Usage(const std::string& /*peer*/, const api::UsageRequest& request,
                                  api::UsageResponse& response) {
  return Fill(snapshotter_.Usage(request.key()), response);
}

grpc::Status SnapshotCalls::UsageOfFew(const std::string& /*peer*/,
                                       const api::UsageRequest& request,
                                       api::UsageResponse& response) {
  return Fill(snapshotter_.Usage(request.key(), kFewInodes), response);
}

grpc::Status SnapshotCalls::Cleanup(const std::string& peer, const api::CleanupRequest& /*request*/,
                                    google::protobuf::Empty& /*response*/) {
  if (const absl::Status admitted = Passes(checks_.admit, peer); !admitted.ok())
    return ToGrpcStatus(admitted);
  return ToGrpcStatus(snapshotter_.Cleanup());
}

}  // namespace stowage
