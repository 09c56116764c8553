#include "plugin/containerd/content_writer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "proto/containerd/content.grpc.pb.h"

namespace stowage {
namespace {

namespace api = ::containerd::services::content::v1;

// Below the 4 MiB that gRPC servers accept by default; containerd's own limit is 16 MiB.
constexpr size_t kMessageBytes = size_t{1} << 20;

constexpr absl::Duration kLockPatience = absl::Seconds(10);
constexpr absl::Duration kLockPoll = absl::Milliseconds(50);

std::string What(const ContentBlob& blob) {
  return absl::StrCat("write blob ", blob.digest.ToString(), " to containerd");
}

api::WriteContentRequest RequestFor(const ContentBlob& blob, size_t offset) {
  const size_t size = std::min(kMessageBytes, blob.bytes.size() - offset);
  const bool last = offset + size == blob.bytes.size();
  api::WriteContentRequest request;
  request.set_ref(blob.ref);
  request.set_action(last ? api::COMMIT : api::WRITE);
  request.set_total(static_cast<int64_t>(blob.bytes.size()));
  request.set_expected(blob.digest.ToString());
  request.set_offset(static_cast<int64_t>(offset));
  request.set_data(std::string(blob.bytes.substr(offset, size)));
  if (last) request.mutable_labels()->insert(blob.labels.begin(), blob.labels.end());
  return request;
}

// One upload from start to commit.
absl::Status Upload(const CallScope& scope, const ContentBlob& blob) {
  grpc::ClientContext context;
  PrepareCall(scope, context);
  const auto stream = api::Content::NewStub(scope.channel)->Write(&context);
  size_t offset = 0;
  do {
    const api::WriteContentRequest request = RequestFor(blob, offset);
    offset += request.data().size();
    api::WriteContentResponse response;
    if (!stream->Write(request) || !stream->Read(&response)) break;
  } while (offset < blob.bytes.size());
  stream->WritesDone();
  // gRPC gives the status only after the last message was taken, and nothing promises one per
  // request.
  for (api::WriteContentResponse rest; stream->Read(&rest);) {
  }
  return FromGrpcStatus(stream->Finish(), What(blob));
}

absl::Status UpdateLabels(const CallScope& scope, const ContentBlob& blob) {
  if (blob.labels.empty()) return absl::OkStatus();
  api::UpdateRequest request;
  request.mutable_info()->set_digest(blob.digest.ToString());
  for (const auto& [key, value] : blob.labels) {
    (*request.mutable_info()->mutable_labels())[key] = value;
    request.mutable_update_mask()->add_paths(absl::StrCat("labels.", key));
  }
  api::UpdateResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  return FromGrpcStatus(api::Content::NewStub(scope.channel)->Update(&context, request, &response),
                        absl::StrCat("label blob ", blob.digest.ToString(), " in containerd"));
}

// containerd answers UNAVAILABLE both when a ref is locked and when it is not there at all.
bool IsLocked(const absl::Status& status) {
  return absl::IsUnavailable(status) && absl::StrContains(status.message(), "locked");
}

}  // namespace

absl::Status WriteContent(const CallScope& scope, const ContentBlob& blob) {
  const absl::Time give_up = std::min(scope.deadline, absl::Now() + kLockPatience);
  while (true) {
    const absl::Status status = Upload(scope, blob);
    if (absl::IsAlreadyExists(status)) return UpdateLabels(scope, blob);
    if (!IsLocked(status) || absl::Now() + kLockPoll >= give_up) return status;
    absl::SleepFor(kLockPoll);
  }
}

}  // namespace stowage
