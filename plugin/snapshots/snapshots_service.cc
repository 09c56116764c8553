#include "plugin/snapshots/snapshots_service.h"

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
absl::Status Passes(const Check& check, const grpc::ServerContext& context,
                    const Arguments&... arguments) {
  return check ? check(context.peer(), arguments...) : absl::OkStatus();
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::StatusOr<std::vector<Mount>> SnapshotsService::Checked(
    const grpc::ServerContext& context, const std::string& key,
    absl::StatusOr<std::vector<Mount>> mounts) {
  if (!mounts.ok()) return mounts;
  const absl::Status visible = Passes(checks_.mounts, context, *mounts);
  if (visible.ok()) return mounts;
  // The caller will not know the key; a retry must find it free. Should this fail, garbage
  // collection finds a snapshot that containerd does not know.
  (void)snapshotter_.Remove(key);
  return visible;
}

grpc::Status SnapshotsService::Prepare(grpc::ServerContext* context,
                                       const api::PrepareSnapshotRequest* request,
                                       api::PrepareSnapshotResponse* response) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  const auto chain = request->labels().find(kSnapshotRefLabel);
  if (chain != request->labels().end()) {
    const absl::Status visible = Passes(checks_.chain, *context, chain->second);
    if (!visible.ok()) return ToGrpcStatus(visible);
  }
  return Fill(
      Checked(*context, request->key(),
              snapshotter_.Prepare(request->key(), request->parent(), LabelsOf(request->labels()))),
      *response);
}

grpc::Status SnapshotsService::View(grpc::ServerContext* context,
                                    const api::ViewSnapshotRequest* request,
                                    api::ViewSnapshotResponse* response) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  return Fill(
      Checked(*context, request->key(),
              snapshotter_.View(request->key(), request->parent(), LabelsOf(request->labels()))),
      *response);
}

grpc::Status SnapshotsService::Mounts(grpc::ServerContext* context,
                                      const api::MountsRequest* request,
                                      api::MountsResponse* response) {
  const auto mounts = snapshotter_.Mounts(request->key());
  if (mounts.ok()) {
    if (const absl::Status visible = Passes(checks_.mounts, *context, *mounts); !visible.ok())
      return ToGrpcStatus(visible);
  }
  return Fill(mounts, *response);
}

grpc::Status SnapshotsService::Commit(grpc::ServerContext* context,
                                      const api::CommitSnapshotRequest* request,
                                      google::protobuf::Empty* /*response*/) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  // Sent only to snapshotters that declare the capability `rebase`. Ignoring it would commit other
  // content than was asked for.
  if (!request->parent().empty())
    return {grpc::UNIMPLEMENTED,
            "commit snapshot " + request->key() + ": changing the parent is not supported"};
  return ToGrpcStatus(
      snapshotter_.Commit(request->name(), request->key(), LabelsOf(request->labels())));
}

grpc::Status SnapshotsService::Remove(grpc::ServerContext* context,
                                      const api::RemoveSnapshotRequest* request,
                                      google::protobuf::Empty* /*response*/) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  return ToGrpcStatus(snapshotter_.Remove(request->key()));
}

grpc::Status SnapshotsService::Stat(grpc::ServerContext* /*context*/,
                                    const api::StatSnapshotRequest* request,
                                    api::StatSnapshotResponse* response) {
  const absl::StatusOr<Snapshot> snapshot = snapshotter_.Stat(request->key());
  if (snapshot.ok()) FillInfo(*snapshot, *response->mutable_info());
  return ToGrpcStatus(snapshot.status());
}

grpc::Status SnapshotsService::Update(grpc::ServerContext* context,
                                      const api::UpdateSnapshotRequest* request,
                                      api::UpdateSnapshotResponse* response) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  Snapshot wanted;
  wanted.name = request->info().name();
  wanted.labels = LabelsOf(request->info().labels());
  const auto& paths = request->update_mask().paths();
  const absl::StatusOr<Snapshot> updated =
      snapshotter_.Update(wanted, std::vector<std::string>(paths.begin(), paths.end()));
  if (updated.ok()) FillInfo(*updated, *response->mutable_info());
  return ToGrpcStatus(updated.status());
}

grpc::Status SnapshotsService::List(grpc::ServerContext* context,
                                    const api::ListSnapshotsRequest* request,
                                    grpc::ServerWriter<api::ListSnapshotsResponse>* writer) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  const std::vector<std::string> filters(request->filters().begin(), request->filters().end());
  api::ListSnapshotsResponse block;
  size_t block_bytes = 0;
  const auto send = [&]() -> absl::Status {
    if (block.info_size() == 0) return absl::OkStatus();
    if (!writer->Write(block)) return absl::CancelledError("list snapshots: the client has gone");
    block.Clear();
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

grpc::Status SnapshotsService::Usage(grpc::ServerContext* /*context*/,
                                     const api::UsageRequest* request,
                                     api::UsageResponse* response) {
  const absl::StatusOr<SnapshotUsage> usage = snapshotter_.Usage(request->key());
  if (usage.ok()) {
    response->set_size(usage->size_bytes);
    response->set_inodes(usage->inodes);
  }
  return ToGrpcStatus(usage.status());
}

grpc::Status SnapshotsService::Cleanup(grpc::ServerContext* context,
                                       const api::CleanupRequest* /*request*/,
                                       google::protobuf::Empty* /*response*/) {
  if (const absl::Status admitted = Passes(checks_.admit, *context); !admitted.ok())
    return ToGrpcStatus(admitted);
  return ToGrpcStatus(snapshotter_.Cleanup());
}

}  // namespace stowage
