#include "tests/plugin/containerd/stand_in_snapshotter.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "plugin/containerd/labels.h"

namespace stowage::testing {
namespace {

constexpr char kRefLabel[] = "containerd.io/snapshot.ref";

void Touch(snapshots_api::Info& info) {
  const int64_t seconds = absl::ToUnixSeconds(absl::Now());
  info.mutable_created_at()->set_seconds(seconds);
  info.mutable_updated_at()->set_seconds(seconds);
}

grpc::Status NotFound(const std::string& key) {
  return {grpc::StatusCode::NOT_FOUND, absl::StrCat("snapshot ", key, " does not exist")};
}

}  // namespace

StandInSnapshotter::StandInSnapshotter() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

StandInSnapshotter::~StandInSnapshotter() { server_->Shutdown(std::chrono::system_clock::now()); }

void StandInSnapshotter::Know(const std::string& chain_id) {
  const absl::MutexLock lock(&mutex_);
  known_.insert(chain_id);
}

void StandInSnapshotter::DelayPrepare(absl::Duration delay) {
  const absl::MutexLock lock(&mutex_);
  delay_ = delay;
}

std::set<std::string> StandInSnapshotter::Keys() {
  const absl::MutexLock lock(&mutex_);
  std::set<std::string> keys;
  for (const auto& [key, info] : rows_) keys.insert(key);
  return keys;
}

int StandInSnapshotter::prepare_calls() {
  const absl::MutexLock lock(&mutex_);
  return prepare_calls_;
}

grpc::Status StandInSnapshotter::Prepare(grpc::ServerContext* context,
                                         const snapshots_api::PrepareSnapshotRequest* request,
                                         snapshots_api::PrepareSnapshotResponse*) {
  absl::Time until;
  {
    const absl::MutexLock lock(&mutex_);
    ++prepare_calls_;
    until = absl::Now() + delay_;
  }
  while (absl::Now() < until && !context->IsCancelled()) absl::SleepFor(absl::Milliseconds(10));

  const absl::MutexLock lock(&mutex_);
  snapshots_api::Info info;
  *info.mutable_labels() = request->labels();
  info.set_parent(request->parent());
  Touch(info);
  const auto ref = request->labels().find(kRefLabel);
  if (ref != request->labels().end() && known_.count(ref->second) > 0) {
    info.set_name(absl::StrCat("remote/", ref->second));
    info.set_kind(snapshots_api::COMMITTED);
    (*info.mutable_labels())[kRemoteLayerLabel] = "true";
    rows_[info.name()] = info;
    return {grpc::StatusCode::ALREADY_EXISTS, "is there"};
  }
  info.set_name(request->key());
  info.set_kind(snapshots_api::ACTIVE);
  rows_[info.name()] = info;
  return grpc::Status::OK;
}

grpc::Status StandInSnapshotter::Commit(grpc::ServerContext*,
                                        const snapshots_api::CommitSnapshotRequest* request,
                                        google::protobuf::Empty*) {
  const absl::MutexLock lock(&mutex_);
  const auto row = rows_.find(request->key());
  if (row == rows_.end()) return NotFound(request->key());
  snapshots_api::Info info = row->second;
  info.set_name(request->name());
  info.set_kind(snapshots_api::COMMITTED);
  *info.mutable_labels() = request->labels();
  rows_.erase(row);
  rows_[info.name()] = info;
  return grpc::Status::OK;
}

grpc::Status StandInSnapshotter::Remove(grpc::ServerContext*,
                                        const snapshots_api::RemoveSnapshotRequest* request,
                                        google::protobuf::Empty*) {
  const absl::MutexLock lock(&mutex_);
  return rows_.erase(request->key()) > 0 ? grpc::Status::OK : NotFound(request->key());
}

grpc::Status StandInSnapshotter::Stat(grpc::ServerContext*,
                                      const snapshots_api::StatSnapshotRequest* request,
                                      snapshots_api::StatSnapshotResponse* response) {
  const absl::MutexLock lock(&mutex_);
  const auto row = rows_.find(request->key());
  if (row == rows_.end()) return NotFound(request->key());
  *response->mutable_info() = row->second;
  return grpc::Status::OK;
}

// containerd looks at the results again, so a filter may be left out of account.
grpc::Status StandInSnapshotter::List(
    grpc::ServerContext*, const snapshots_api::ListSnapshotsRequest*,
    grpc::ServerWriter<snapshots_api::ListSnapshotsResponse>* writer) {
  const absl::MutexLock lock(&mutex_);
  snapshots_api::ListSnapshotsResponse response;
  for (const auto& [key, info] : rows_) *response.add_info() = info;
  writer->Write(response);
  return grpc::Status::OK;
}

grpc::Status StandInSnapshotter::Usage(grpc::ServerContext*, const snapshots_api::UsageRequest*,
                                       snapshots_api::UsageResponse*) {
  return grpc::Status::OK;
}

grpc::Status StandInSnapshotter::Cleanup(grpc::ServerContext*, const snapshots_api::CleanupRequest*,
                                         google::protobuf::Empty*) {
  return grpc::Status::OK;
}

}  // namespace stowage::testing
