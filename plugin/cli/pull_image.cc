#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "plugin/cli/commands.h"
#include "plugin/cli/control_client.h"
#include "plugin/cli/image_names.h"
#include "plugin/cli/progress_reporter.h"
#include "plugin/cli/terminal_text.h"
#include "plugin/containerd/containerd_client.h"

namespace stowage {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);

// An import takes 100 ms; containerd makes callers wait while it collects garbage.
constexpr absl::Duration kImportTimeout = absl::Minutes(2);

// Stowage makes OCI images only.
constexpr char kManifestMediaType[] = "application/vnd.oci.image.manifest.v1+json";

// Labels of the image records, by which one can find what Stowage wrote.
constexpr char kReferenceLabel[] = "stowage.reference";
constexpr char kRevisionLabel[] = "stowage.revision";
constexpr char kLazyLabel[] = "stowage.lazy";  // "true": was not whole when it was written
constexpr char kProvisionalLabel[] = "stowage.provisional";  // "true": of this node only

ProgressReporterOptions ReporterOptions(const Invocation& invocation,
                                        const Environment& environment) {
  ProgressReporterOptions options;
  if (!invocation.quiet && !invocation.json)
    options.style = environment.error_terminal ? ProgressStyle::kRepaint : ProgressStyle::kPlain;
  options.color = environment.error_terminal && !environment.no_color;
  options.columns = environment.columns;
  return options;
}

v1::ResolveRequest::Fetch FetchOf(const Invocation& invocation) {
  if (!invocation.lazy) return v1::ResolveRequest::AS_CONFIGURED;
  return *invocation.lazy ? v1::ResolveRequest::LAZILY : v1::ResolveRequest::WHOLE;
}

absl::StatusOr<ImportRequest> ImportRequestFor(const v1::ResolvedImage& image,
                                               const Invocation& invocation,
                                               const ImageNames& names) {
  STOWAGE_ASSIGN_OR_RETURN(const Digest manifest_digest, Digest::Parse(image.manifest_digest()));
  STOWAGE_ASSIGN_OR_RETURN(const Digest config_digest, Digest::Parse(image.config_digest()));
  std::map<std::string, std::string> labels = {
      {kReferenceLabel, absl::StrCat(image.name(), ":", image.tag())},
      {kRevisionLabel, image.revision()}};
  // containerd takes a label away that is set to nothing.
  labels[kLazyLabel] = image.promised_path_count() > 0 ? "true" : "";
  labels[kProvisionalLabel] = image.provisional() ? "true" : "";
  return ImportRequest{.manifest_media_type = kManifestMediaType,
                       .manifest_digest = manifest_digest,
                       .manifest = image.manifest(),
                       .config_digest = config_digest,
                       .config = image.config(),
                       .chain_id = image.chain_id(),
                       .image_names = names.all,
                       .labels = std::move(labels),
                       .snapshotter = invocation.snapshotter,
                       .replace_ordinary_snapshot = invocation.replace};
}

}  // namespace

absl::StatusOr<v1::ResolvedImage> ResolveWithProgress(const Invocation& invocation,
                                                      const Environment& environment,
                                                      const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(
      const ControlClient control,
      ControlClient::Connect(invocation.control_socket, AsksOwnStowaged(invocation)));
  ProgressReporter reporter(ReporterOptions(invocation, environment), streams.err);
  const ResolveObserver observer = {
      .on_progress = [&](const v1::Progress& progress) { reporter.OnProgress(progress); },
      .on_tick = [&] { reporter.OnTick(); }};
  return control.Resolve(invocation.reference, absl::Now() + invocation.timeout, observer,
                         FetchOf(invocation));
}

absl::StatusOr<PulledImage> PullImage(const Invocation& invocation, const Environment& environment,
                                      const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(
      const ContainerdClient containerd,
      ContainerdClient::Connect(invocation.containerd_address, invocation.containerd_namespace,
                                absl::Now() + kConnectTimeout));
  STOWAGE_ASSIGN_OR_RETURN(v1::ResolvedImage image,
                           ResolveWithProgress(invocation, environment, streams));
  const ImageNames names = NamesForReference(invocation.reference, image.name(), image.tag(),
                                             invocation.containerd_namespace);
  STOWAGE_ASSIGN_OR_RETURN(const ImportRequest request, ImportRequestFor(image, invocation, names));
  STOWAGE_ASSIGN_OR_RETURN(const ImportResult result,
                           containerd.Import(request, absl::Now() + kImportTimeout));
  return PulledImage{.image = std::move(image),
                     .names = names.all,
                     .containerd_namespace = invocation.containerd_namespace,
                     .snapshotter = invocation.snapshotter,
                     .shadowed_by_ordinary_snapshot = result.shadowed_by_ordinary_snapshot,
                     .replaced_ordinary_snapshot = result.replaced_ordinary_snapshot};
}

void PrintWarnings(const Invocation& invocation, const std::vector<std::string>& warnings,
                   const Streams& streams) {
  if (invocation.quiet || invocation.json) return;
  for (const std::string& warning : warnings)
    streams.err << "warning: " << PrintableLine(warning) << "\n";
  streams.err << std::flush;
}

}  // namespace stowage
