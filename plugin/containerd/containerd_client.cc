#include "plugin/containerd/containerd_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "plugin/containerd/content_writer.h"
#include "plugin/containerd/image_record.h"
#include "plugin/containerd/labels.h"
#include "plugin/containerd/lease.h"
#include "plugin/containerd/remote_snapshot.h"
#include "plugin/containerd/rpc.h"
#include "plugin/containerd/unix_socket.h"
#include "proto/containerd/version.grpc.pb.h"

namespace stowage {
namespace {

absl::Status ExplainUnreachable(const absl::Status& probe) {
  const absl::string_view reason = probe.message();
  switch (probe.code()) {
    case absl::StatusCode::kPermissionDenied:
      return absl::PermissionDeniedError(
          absl::StrCat("containerd: ", reason, "; its socket is for root: run this as root"));
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError(absl::StrCat(
          "containerd: ", reason,
          "; start it ('systemctl start containerd'), or name another socket with --address"));
    case absl::StatusCode::kFailedPrecondition:
      return absl::UnavailableError(
          absl::StrCat("containerd: ", reason, "; name containerd's gRPC socket with --address"));
    default:
      return absl::Status(probe.code(), absl::StrCat("containerd: ", reason));
  }
}

ContentBlob ConfigBlob(const ImportRequest& request) {
  return {.ref = absl::StrCat("config-", request.config_digest.ToString()),
          .digest = request.config_digest,
          .bytes = request.config,
          .labels = {{absl::StrCat(kGcSnapshotRefPrefix, request.snapshotter), request.chain_id}}};
}

ContentBlob ManifestBlob(const ImportRequest& request) {
  return {
      .ref = absl::StrCat("manifest-", request.manifest_digest.ToString()),
      .digest = request.manifest_digest,
      .bytes = request.manifest,
      .labels = {{absl::StrCat(kGcContentRefPrefix, "config"), request.config_digest.ToString()}}};
}

// Writes config and manifest and claims the snapshot.
absl::StatusOr<ClaimedSnapshot> WriteParts(const CallScope& scope, const ImportRequest& request) {
  ClaimedSnapshot claimed = ClaimedSnapshot::kOrdinary;
  const std::vector<std::function<absl::Status()>> parts = {
      [&] { return WriteContent(scope, ConfigBlob(request)); },
      [&] { return WriteContent(scope, ManifestBlob(request)); },
      [&] {
        const auto result = ClaimRemoteSnapshot(scope, request.snapshotter, request.chain_id,
                                                request.replace_ordinary_snapshot);
        if (result.ok()) claimed = *result;
        return result.status();
      }};
  // containerd waits for its disk in each of them; side by side they wait for it once.
  STOWAGE_RETURN_IF_ERROR(
      ParallelFor(parts.size(), parts.size(), [&](size_t i) { return parts[i](); }));
  return claimed;
}

}  // namespace

ContainerdClient::ContainerdClient(std::shared_ptr<grpc::Channel> channel, std::string address,
                                   std::string containerd_namespace)
    : channel_(std::move(channel)),
      address_(std::move(address)),
      namespace_(std::move(containerd_namespace)) {}

absl::StatusOr<ContainerdClient> ContainerdClient::Connect(const std::string& address,
                                                           const std::string& containerd_namespace,
                                                           absl::Time deadline) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string path, UnixSocketPath(address));
  if (const absl::Status probe = ProbeUnixSocket(path); !probe.ok())
    return ExplainUnreachable(probe);
  ContainerdClient client(
      grpc::CreateChannel(absl::StrCat("unix:", path), grpc::InsecureChannelCredentials()), path,
      containerd_namespace);
  // Something else may listen on that path, or containerd may hang: found out here, once.
  STOWAGE_RETURN_IF_ERROR(client.Version(deadline).status());
  return client;
}

absl::StatusOr<std::string> ContainerdClient::Version(absl::Time deadline) const {
  namespace api = ::containerd::services::version::v1;
  const CallScope scope = {channel_, namespace_, "", deadline};
  grpc::ClientContext context;
  PrepareCall(scope, context);
  api::VersionResponse response;
  const absl::Status status = FromGrpcStatus(
      api::Version::NewStub(channel_)->Version(&context, google::protobuf::Empty(), &response),
      absl::StrCat("ask ", address_, " for containerd's version"));
  if (absl::IsUnimplemented(status) || absl::IsUnavailable(status))
    return absl::UnavailableError(
        absl::StrCat(status.message(), "; is it containerd's gRPC socket? name it with --address"));
  STOWAGE_RETURN_IF_ERROR(status);
  return response.version();
}

absl::StatusOr<ImportResult> ContainerdClient::Import(const ImportRequest& request,
                                                      absl::Time deadline) const {
  if (request.image_names.empty())
    return absl::InvalidArgumentError("import an image into containerd: it has no name");
  STOWAGE_ASSIGN_OR_RETURN(Lease lease, Lease::Create({channel_, namespace_, "", deadline}));
  STOWAGE_ASSIGN_OR_RETURN(const ClaimedSnapshot claimed, WriteParts(lease.scope(), request));
  for (const std::string& name : request.image_names) {
    const ImageRecord record = {
        .name = name,
        .media_type = request.manifest_media_type,
        .manifest_digest = request.manifest_digest,
        .manifest_size_bytes = static_cast<int64_t>(request.manifest.size()),
        .labels = request.labels};
    STOWAGE_RETURN_IF_ERROR(WriteImageRecord(lease.scope(), record));
  }
  // A lease that cannot be deleted expires by itself: the image is complete all the same.
  (void)lease.Delete();
  return ImportResult{.shadowed_by_ordinary_snapshot = claimed == ClaimedSnapshot::kOrdinary,
                      .replaced_ordinary_snapshot = claimed == ClaimedSnapshot::kReplaced};
}

}  // namespace stowage
