#include "plugin/daemon/control_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nix/image_reference.h"
#include "plugin/snapshots/snapshot_calls.h"
#include "plugin/version.h"

namespace stowage {
namespace {

// How often a waiting call looks whether its client has left.
constexpr absl::Duration kClientCheck = absl::Milliseconds(500);

stowage::v1::Progress::Phase ToProto(ResolveProgress::Phase phase) {
  switch (phase) {
    case ResolveProgress::Phase::kSource:
      return stowage::v1::Progress::SOURCE;
    case ResolveProgress::Phase::kEvaluate:
      return stowage::v1::Progress::EVALUATE;
    case ResolveProgress::Phase::kRealise:
      return stowage::v1::Progress::REALISE;
    case ResolveProgress::Phase::kClosure:
      return stowage::v1::Progress::CLOSURE;
    case ResolveProgress::Phase::kHash:
      return stowage::v1::Progress::HASH;
    case ResolveProgress::Phase::kRecord:
      return stowage::v1::Progress::RECORD;
  }
  return stowage::v1::Progress::PHASE_UNSPECIFIED;
}

stowage::v1::ResolveEvent ToProto(const ResolveProgress& progress) {
  stowage::v1::ResolveEvent event;
  stowage::v1::Progress& out = *event.mutable_progress();
  out.set_phase(ToProto(progress.phase));
  out.set_done(progress.done);
  out.set_total(progress.total);
  out.set_message(progress.message);
  out.set_log_line(progress.log_line);
  return event;
}

}  // namespace

absl::Status ControlService::Describe(const ResolvedImage& image, bool with_store_paths,
                                      stowage::v1::ResolvedImage& out) {
  STOWAGE_ASSIGN_OR_RETURN(const DocumentPointer manifest,
                           images_.FindDocument(image.image.manifest_digest));
  STOWAGE_ASSIGN_OR_RETURN(const DocumentPointer config,
                           images_.FindDocument(image.image.config_digest));
  out.set_name(image.image.name);
  out.set_tag(image.tag);
  out.set_source(image.image.summary.source);
  out.set_revision(image.revision);
  out.set_platform(absl::StrCat("linux/", image.image.summary.architecture));
  out.set_manifest_digest(manifest->digest.ToString());
  out.set_manifest(manifest->content);
  out.set_config_digest(config->digest.ToString());
  out.set_config(config->content);
  out.set_chain_id(image.image.chain_id.ToString());
  out.set_store_path_count(image.image.summary.store_path_count);
  out.set_nar_size_bytes(image.image.summary.nar_size_bytes);
  out.set_from_cache(image.from_cache);
  out.set_provisional(image.image.summary.recorded_by == kProvisional);
  for (const std::string& warning : image.warnings) out.add_warnings(warning);
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, images_.Layers(image.image.id));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> records,
                           catalog_.table().FindAll(layers));
  for (const LayerRecord& record : records) {
    stowage::v1::Layer& layer = *out.add_layers();
    layer.set_diff_id(record.diff_id.ToString());
    layer.set_size_bytes(record.size_bytes);
    if (!with_store_paths) continue;
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                             catalog_.table().Objects({record.id}));
    for (const ObjectRecord& object : objects) layer.add_store_paths(object.base_name);
  }
  const Promises& promises = catalog_.views().promises();
  if (promises.All().empty()) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                           catalog_.table().Objects(layers));
  out.set_promised_path_count(static_cast<uint64_t>(
      std::count_if(objects.begin(), objects.end(),
                    [&](const ObjectRecord& object) { return promises.Contains(object.number); })));
  return absl::OkStatus();
}

absl::Status ControlService::DescribeFetching(stowage::v1::StatusResponse& out) {
  if (fetcher_ == nullptr) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LazyImageRecord> images,
                           images_.LazyImages(catalog_.views().promises().All()));
  for (const LazyImageRecord& record : images) {
    stowage::v1::LazyImage& image = *out.add_lazy_images();
    image.set_name(record.name);
    image.set_present(record.present);
    image.set_total(record.total);
  }
  const PathFetcher::Progress progress = fetcher_->progress();
  for (const std::string& path : progress.fetching) out.add_fetching(path);
  for (const PathFetcher::Failure& failure : progress.failures) {
    stowage::v1::FailedFetch& failed = *out.add_failed_fetches();
    failed.set_store_path(failure.store_path);
    failed.set_error(failure.error);
  }
  return absl::OkStatus();
}

grpc::Status ControlService::Resolve(grpc::ServerContext* context,
                                     const stowage::v1::ResolveRequest* request,
                                     grpc::ServerWriter<stowage::v1::ResolveEvent>* writer) {
  const auto reference = ImageReference::Parse(request->reference());
  if (!reference.ok()) return ToGrpcStatus(reference.status());
  using Request = stowage::v1::ResolveRequest;
  const bool lazily =
      request->fetch() == Request::LAZILY || (request->fetch() == Request::AS_CONFIGURED && lazy_);
  const std::shared_ptr<ResolveJob> job =
      resolver_.Resolve(*reference, lazily && fetcher_ != nullptr);
  uint64_t cursor = 0;
  std::vector<ResolveProgress> events;
  bool finished = false;
  while (!finished) {
    finished = job->Next(cursor, absl::Now() + kClientCheck, events);
    for (const ResolveProgress& event : events) writer->Write(ToProto(event));
    // The run goes on; a later call joins it or finds its result.
    if (context->IsCancelled())
      return grpc::Status(grpc::StatusCode::CANCELLED, "the client has left");
  }
  const ResolveJob::Result image = job->result();
  if (!image.ok()) return ToGrpcStatus(image.status());
  stowage::v1::ResolveEvent event;
  if (const absl::Status described = Describe(*image, false, *event.mutable_image());
      !described.ok())
    return ToGrpcStatus(described);
  writer->Write(event);
  return grpc::Status::OK;
}

grpc::Status ControlService::Inspect(grpc::ServerContext*,
                                     const stowage::v1::InspectRequest* request,
                                     stowage::v1::InspectResponse* response) {
  const auto reference = ImageReference::Parse(request->reference());
  if (!reference.ok()) return ToGrpcStatus(reference.status());
  const auto tag = images_.FindTag(reference->name(), reference->tag());
  if (!tag.ok()) return ToGrpcStatus(tag.status());
  const ResolvedImage image = {tag->image, reference->tag(), tag->revision, true,
                               tag->image.summary.warnings};
  return ToGrpcStatus(Describe(image, true, *response->mutable_image()));
}

grpc::Status ControlService::Status(grpc::ServerContext*, const stowage::v1::StatusRequest*,
                                    stowage::v1::StatusResponse* response) {
  response->set_version(kVersion);
  response->set_registry_address(addresses_.registry);
  response->set_snapshotter_socket(addresses_.snapshotter_socket);
  response->set_fuse_mountpoint(catalog_.views().mountpoint());
  response->set_source(resolver_.DescribeSource());
  response->set_driver(ViewDriverName(catalog_.Drivers().front()));
  response->set_driver_reason(catalog_.drivers().Reason());
  const auto mounted = catalog_.views().Mounted();
  if (!mounted.ok()) return ToGrpcStatus(mounted.status());
  response->set_fuse_mounted(*mounted);
  const auto settings = catalog_.views().MountSettings();
  if (!settings.ok()) return ToGrpcStatus(settings.status());
  response->set_fuse_data(settings->data);
  response->set_fuse_without_extended_attributes(!settings->extended_attributes);
  for (const std::string& record : catalog_.wrong_records()) response->add_wrong_records(record);
  return ToGrpcStatus(DescribeFetching(*response));
}

}  // namespace stowage
