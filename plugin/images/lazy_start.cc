#include "plugin/images/lazy_start.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "nix/cached_closure.h"
#include "plugin/images/lazy_images.h"
#include "plugin/images/provisional_profile.h"

namespace stowage {
namespace {

ResolveProgress Line(ResolveProgress::Phase phase, absl::string_view message) {
  ResolveProgress progress;
  progress.phase = phase;
  progress.message = std::string(message);
  return progress;
}

absl::string_view FirstLine(absl::string_view text) { return text.substr(0, text.find('\n')); }

// Errors: FailedPrecondition if a package is not in the closure.
absl::Status SetRoots(const std::vector<RealisedPackage>& packages, Closure& closure) {
  closure.roots.clear();
  for (const RealisedPackage& package : packages) {
    const auto found = std::lower_bound(
        closure.objects.begin(), closure.objects.end(), package.out_path,
        [](const StoreObject& object, const StorePath& path) { return object.path < path; });
    if (found == closure.objects.end() || found->path != package.out_path)
      return absl::FailedPreconditionError(
          absl::StrCat("its image has not ", package.out_path.ToString(),
                       ", which the package set has here: are [source] and [packages] the same on "
                       "both?"));
    closure.roots.push_back(static_cast<uint32_t>(found - closure.objects.begin()));
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::flat_hash_set<std::string>> ValidPathsOf(const Closure& closure,
                                                              ClosureReader& closures) {
  std::vector<StorePath> paths;
  for (const StoreObject& object : closure.objects) paths.push_back(object.path);
  STOWAGE_ASSIGN_OR_RETURN(const auto hashes, closures.NarHashes(paths));
  absl::flat_hash_set<std::string> valid;
  for (size_t i = 0; i < paths.size(); ++i)
    if (hashes[i]) valid.insert(paths[i].base_name());
  return valid;
}

}  // namespace

// Whether containers can be shown what is still to be fetched.
bool LazyStart::CanWait() {
  const std::vector<ViewDriver> drivers = catalog_.Drivers();
  return std::find(drivers.begin(), drivers.end(), ViewDriver::kFuse) != drivers.end() &&
         catalog_.views().Mounted().value_or(false);
}

absl::StatusOr<bool> LazyStart::Hold(const ImageRecord& image, const std::vector<int64_t>& layers,
                                     const CallLimits& limits) {
  if (!CanWait()) return false;
  STOWAGE_ASSIGN_OR_RETURN(const bool held, HoldLazily({catalog_, closures_, options_.nix}, layers,
                                                       absl::Now() + options_.hold, limits));
  if (!held) return false;
  STOWAGE_ASSIGN_OR_RETURN(const std::optional<int64_t> program,
                           ObjectOfCommand(image, layers, images_, catalog_));
  catalog_.Promised(program ? std::vector<int64_t>{*program} : std::vector<int64_t>());
  return true;
}

absl::StatusOr<ImageRecord> LazyStart::Promise(const ImageRecord& image, const CallLimits& limits) {
  const absl::ReaderMutexLock keep_collecting_away(&catalog_.collecting());
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, images_.Layers(image.id));
  STOWAGE_ASSIGN_OR_RETURN(const bool held, Hold(image, layers, limits));
  if (held) return image;
  return absl::FailedPreconditionError("a store path is here with other contents than there");
}

absl::StatusOr<ImageRecord> LazyStart::Adopt(ImageBuildRequest request, const std::string& tag,
                                             const Report& report, const CallLimits& limits) {
  const std::string& url = options_.records.url;
  if (url.empty())
    return absl::NotFoundError(
        "this node has no record of it, or store paths of it are here with other contents, and "
        "images.record_source names no other Stowage that could know it");
  report(Line(ResolveProgress::Phase::kSource, absl::StrCat("looking for a record in ", url)));
  STOWAGE_ASSIGN_OR_RETURN(ReceivedImage received,
                           FetchRecord(options_.records, request.reference.name(),
                                       request.revision.empty() ? tag : request.revision, limits));
  request.closure = std::move(received.closure.closure);
  STOWAGE_RETURN_IF_ERROR(Annotate(SetRoots(request.packages, request.closure), url));
  const absl::StatusOr<ImageRecord> adopted = builder_.Adopt(request, received, url);
  if (!adopted.ok()) return Annotate(adopted.status(), url);
  absl::StatusOr<ImageRecord> promised = Promise(*adopted, limits);
  return promised.ok() ? promised : Annotate(promised.status(), url);
}

absl::StatusOr<ProvisionalProfile> LazyStart::ComposeProfileOf(
    const CachedClosure& cached, const std::vector<RealisedPackage>& packages,
    const std::string& unique, const CallLimits& limits) {
  STOWAGE_ASSIGN_OR_RETURN(const absl::flat_hash_set<std::string> valid,
                           ValidPathsOf(cached.closure, closures_));
  ProvisionalProfileRequest request{
      cached, {}, valid, catalog_.store_directory(), catalog_.NewProfileDirectory(unique)};
  for (const RealisedPackage& package : packages)
    request.packages.push_back(package.out_path.base_name());
  // The collector cleans up where profiles are made.
  const absl::ReaderMutexLock keep_collecting_away(&catalog_.collecting());
  return ComposeProvisionalProfile(request, limits);
}

absl::StatusOr<ImageRecord> LazyStart::MakeProvisional(ImageBuildRequest request,
                                                       const std::string& unique,
                                                       const Report& report,
                                                       const CallLimits& limits) {
  report(Line(ResolveProgress::Phase::kClosure, "asking binary caches what is in its store paths"));
  std::vector<StorePath> paths;
  for (const RealisedPackage& package : request.packages) paths.push_back(package.out_path);
  STOWAGE_ASSIGN_OR_RETURN(CachedClosure cached, ReadCachedClosure(paths, options_.nix, limits));
  STOWAGE_ASSIGN_OR_RETURN(const ProvisionalProfile profile,
                           ComposeProfileOf(cached, request.packages, unique, limits));
  request.closure = std::move(cached.closure);
  STOWAGE_ASSIGN_OR_RETURN(const ImageRecord image, builder_.MakeProvisional(request, profile));
  return Promise(image, limits);
}

absl::StatusOr<ImageRecord> LazyStart::Start(ImageBuildRequest request, const std::string& tag,
                                             const std::string& unique, const Report& report,
                                             const CallLimits& limits) {
  if (!CanWait())
    return absl::FailedPreconditionError(
        "a container can wait for files only where stowage-fuse shows them, which it does not here "
        "('stowage status')");
  absl::StatusOr<ImageRecord> adopted = Adopt(request, tag, report, limits);
  if (adopted.ok() || absl::IsCancelled(adopted.status())) return adopted;
  absl::StatusOr<ImageRecord> provisional =
      MakeProvisional(std::move(request), unique, report, limits);
  if (provisional.ok() || absl::IsCancelled(provisional.status())) return provisional;
  return absl::FailedPreconditionError(absl::StrCat(
      FirstLine(adopted.status().message()),
      "; and a provisional image cannot be had: ", FirstLine(provisional.status().message())));
}

}  // namespace stowage
