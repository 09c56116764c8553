#include "plugin/containerd/image_record.h"

#include "absl/strings/str_cat.h"
#include "proto/containerd/images.grpc.pb.h"

namespace stowage {
namespace {

namespace api = ::containerd::services::images::v1;

// Between a Create that finds the record and the Update of it, somebody may delete it, and back.
constexpr int kAttempts = 3;

api::Image ToWire(const ImageRecord& record) {
  api::Image image;
  image.set_name(record.name);
  image.mutable_labels()->insert(record.labels.begin(), record.labels.end());
  image.mutable_target()->set_media_type(record.media_type);
  image.mutable_target()->set_digest(record.manifest_digest.ToString());
  image.mutable_target()->set_size(record.manifest_size_bytes);
  return image;
}

absl::Status Create(const CallScope& scope, const ImageRecord& record) {
  api::CreateImageRequest request;
  *request.mutable_image() = ToWire(record);
  api::CreateImageResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  return FromGrpcStatus(api::Images::NewStub(scope.channel)->Create(&context, request, &response),
                        absl::StrCat("create image '", record.name, "' in containerd"));
}

absl::Status Update(const CallScope& scope, const ImageRecord& record) {
  api::UpdateImageRequest request;
  *request.mutable_image() = ToWire(record);
  request.mutable_update_mask()->add_paths("target");
  for (const auto& [key, value] : record.labels)
    request.mutable_update_mask()->add_paths(absl::StrCat("labels.", key));
  api::UpdateImageResponse response;
  grpc::ClientContext context;
  PrepareCall(scope, context);
  return FromGrpcStatus(api::Images::NewStub(scope.channel)->Update(&context, request, &response),
                        absl::StrCat("update image '", record.name, "' in containerd"));
}

}  // namespace

absl::Status WriteImageRecord(const CallScope& scope, const ImageRecord& record) {
  absl::Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    status = Create(scope, record);
    if (!absl::IsAlreadyExists(status)) return status;
    status = Update(scope, record);
    if (!absl::IsNotFound(status)) return status;
  }
  return status;
}

}  // namespace stowage
