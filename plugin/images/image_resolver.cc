#include "plugin/images/image_resolver.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/annotate.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "nix/valid_paths.h"
#include "plugin/images/cache_key.h"

namespace stowage {
namespace {

using Phase = ResolveProgress::Phase;

ResolveProgress Line(Phase phase, absl::string_view message) {
  ResolveProgress progress;
  progress.phase = phase;
  progress.message = std::string(message);
  return progress;
}

// What the result of an evaluation means for an image; stands for the revision where a source has
// none.
std::string EvaluationIdentity(const Evaluation& evaluation) {
  std::vector<std::string> texts;
  for (const EvaluatedPackage& package : evaluation.packages) {
    texts.push_back(package.name);
    texts.push_back(package.out_path.base_name());
    texts.push_back(package.main_program);
  }
  return DelimitedDigest(texts).ToString();
}

// Runs at one time, those that wait for a slot included; a thread each. More are refused.
constexpr size_t kMaxRuns = 64;

std::string JobKey(const ImageReference& reference, bool lazily) {
  return absl::StrCat(reference.ToString(), lazily ? " lazily" : "");
}

absl::string_view FirstLine(absl::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

// A place among the runs that use Nix; waits for one. Runs that find their image known need none,
// so that they never wait behind builds.
class ImageResolver::Slot {
 public:
  explicit Slot(ImageResolver& resolver) : resolver_(resolver) {
    const auto free = [&resolver]() ABSL_SHARED_LOCKS_REQUIRED(resolver.mutex_) {
      return resolver.free_slots_ > 0;
    };
    const absl::MutexLock lock(&resolver.mutex_, absl::Condition(&free));
    --resolver.free_slots_;
  }
  ~Slot() {
    const absl::MutexLock lock(&resolver_.mutex_);
    ++resolver_.free_slots_;
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  ImageResolver& resolver_;
};

// One resolving of one reference, from tag to recorded image.
class ImageResolver::Run {
 public:
  Run(ImageResolver& resolver, const ImageReference& reference, bool lazily, ResolveJob& job,
      std::string unique)
      : resolver_(resolver),
        reference_(reference),
        lazily_(lazily),
        job_(job),
        unique_(std::move(unique)) {}

  absl::StatusOr<ResolvedImage> Execute();

 private:
  CallLimits Limits(absl::Duration timeout) const {
    return {absl::Now() + timeout, resolver_.stop_.get_token()};
  }
  absl::StatusOr<ResolvedImage> FromRevision(const std::string& revision);
  absl::StatusOr<ResolvedImage> FromSource(const SourceRevision& source,
                                           const std::string& revision);
  absl::StatusOr<ResolvedImage> StaleImage(const absl::Status& unreachable);
  // Errors: Cancelled; any other says why the image has to be fetched whole.
  absl::StatusOr<ImageRecord> StartLazily(const Evaluation& evaluation, const Digest& cache_key,
                                          const std::string& revision);
  // Whether the packages are valid, and so what they refer to.
  absl::StatusOr<bool> AllHere(const Evaluation& evaluation);
  // Tells it if what was said of an image is not what it is.
  void CompareWithRecord(const ImageRecord& said, const ImageRecord& made);
  absl::StatusOr<Evaluation> Evaluate(const SourceRevision& source);
  // Makes the packages exist, with GC roots that begin with `root`.
  absl::StatusOr<std::vector<StorePath>> Realise(const Evaluation& evaluation,
                                                 const std::string& root);
  absl::StatusOr<ImageRecord> Make(const Evaluation& evaluation, const Digest& cache_key,
                                   const std::string& revision);
  std::vector<RealisedPackage> Packages(const Evaluation& evaluation,
                                        const std::vector<StorePath>& paths) const;
  absl::StatusOr<ImageRecord> Assemble(std::vector<RealisedPackage> packages,
                                       const Digest& cache_key, const std::string& revision);
  ImageBuildRequest Request(const Digest& cache_key, const std::string& revision,
                            std::vector<RealisedPackage> packages, Closure closure) const;
  Digest CacheKey(const std::string& revision) const;
  // The image with this key if it was made here and all of it is still there; with lazily_, also if
  // it is recorded.
  absl::StatusOr<std::optional<ImageRecord>> Known(const Digest& cache_key);
  absl::StatusOr<ResolvedImage> Finish(ImageRecord image, const std::string& revision,
                                       bool from_cache);

  ImageResolver& resolver_;
  const ImageReference& reference_;
  const bool lazily_;
  ResolveJob& job_;
  const std::string unique_;
  absl::Status not_held_;  // why Known did not hold a recorded image lazily, if that was an error
};

Digest ImageResolver::Run::CacheKey(const std::string& revision) const {
  CacheKeyParts parts;
  parts.system = reference_.system();
  parts.source = resolver_.source_->Describe();
  parts.revision = revision;
  parts.packages = reference_.packages();
  if (reference_.shell())
    parts.packages.insert(parts.packages.end(), resolver_.options_.shell.begin(),
                          resolver_.options_.shell.end());
  parts.always = resolver_.options_.always;
  parts.plan_identity = resolver_.plan_identity_;
  parts.name = reference_.name();
  return ImageCacheKey(parts);
}

absl::StatusOr<std::optional<ImageRecord>> ImageResolver::Run::Known(const Digest& cache_key) {
  auto image = resolver_.images_.FindByCacheKey(cache_key);
  if (!image.ok()) return std::nullopt;
  const absl::ReaderMutexLock keep_collecting_away(&resolver_.catalog_.collecting());
  const auto layers = resolver_.images_.Layers(image->id);
  if (!layers.ok()) return std::nullopt;
  const absl::Time until = absl::Now() + resolver_.options_.builder.hold;
  const bool made_here = image->summary.recorded_by.empty();
  if (made_here && resolver_.catalog_.CheckComplete(*layers).ok() &&
      resolver_.catalog_.table().Hold(*layers, until).ok())
    return *std::move(image);
  if (!lazily_) return std::nullopt;
  const absl::StatusOr<bool> held =
      resolver_.lazy_start_.Hold(*image, *layers, Limits(resolver_.options_.evaluation_timeout));
  if (absl::IsCancelled(held.status())) return held.status();
  not_held_ = held.status();
  if (!held.value_or(false)) return std::nullopt;
  // All of it has come: the image is made of it now, instead of what was said of it.
  if (!made_here && resolver_.catalog_.CheckNonePromised(*layers).ok()) return std::nullopt;
  return *std::move(image);
}

absl::StatusOr<ResolvedImage> ImageResolver::Run::Finish(ImageRecord image,
                                                         const std::string& revision,
                                                         bool from_cache) {
  STOWAGE_RETURN_IF_ERROR(resolver_.images_.SetTag(reference_.name(), reference_.tag(), image.id,
                                                   revision, absl::Now()));
  STOWAGE_FAULT_POINT("resolve.finish.tagged");
  std::vector<std::string> warnings = image.summary.warnings;
  if (image.summary.recorded_by == kProvisional)
    warnings.emplace_back(
        "provisional: the image ID is this node's own, until 'stowage pull --no-lazy' makes the "
        "image that others have");
  return ResolvedImage{std::move(image), reference_.tag(), revision, from_cache,
                       std::move(warnings)};
}

absl::StatusOr<ResolvedImage> ImageResolver::Run::StaleImage(const absl::Status& unreachable) {
  auto tag = resolver_.images_.FindTag(reference_.name(), reference_.tag());
  if (!tag.ok()) return unreachable;
  const auto image = Known(tag->image.cache_key);
  if (!image.ok() || !*image) return unreachable;
  ResolvedImage result = {**image, reference_.tag(), tag->revision, true, {}};
  result.warnings = result.image.summary.warnings;
  result.warnings.push_back(
      absl::StrCat("the source cannot be reached; this is what the tag meant at ",
                   absl::FormatTime(absl::RFC3339_sec, tag->resolved_at, absl::UTCTimeZone()), " (",
                   FirstLine(unreachable.message()), ")"));
  return result;
}

absl::StatusOr<ResolvedImage> ImageResolver::Run::Execute() {
  job_.Report(Line(Phase::kSource, absl::StrCat("looking up ", reference_.tag(), " in ",
                                                resolver_.source_->Describe())));
  const auto revision = resolver_.source_->ResolveTag(
      reference_.tag(), Limits(resolver_.options_.evaluation_timeout));
  if (absl::IsUnavailable(revision.status()) || absl::IsDeadlineExceeded(revision.status()))
    return StaleImage(revision.status());
  if (!revision.ok()) return revision.status();
  return FromRevision(*revision);
}

absl::StatusOr<ResolvedImage> ImageResolver::Run::FromRevision(const std::string& revision) {
  // Where the revision fixes the content, its image may be known without any Nix run.
  if (!revision.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(std::optional<ImageRecord> image, Known(CacheKey(revision)));
    if (image) return Finish(*std::move(image), revision, true);
  }
  const Slot slot(resolver_);
  const auto fetched = [&](absl::string_view line) { job_.Report(Line(Phase::kSource, line)); };
  STOWAGE_ASSIGN_OR_RETURN(
      const SourceRevision source,
      resolver_.source_->Fetch(revision, fetched, Limits(resolver_.options_.build_timeout)));
  absl::StatusOr<ResolvedImage> image = FromSource(source, revision);
  // A collection of garbage between evaluation and realisation takes derivations away; another
  // evaluation writes them anew.
  if (absl::IsUnavailable(image.status())) image = FromSource(source, revision);
  return image;
}

absl::StatusOr<ResolvedImage> ImageResolver::Run::FromSource(const SourceRevision& source,
                                                             const std::string& revision) {
  STOWAGE_ASSIGN_OR_RETURN(const Evaluation evaluation, Evaluate(source));
  const Digest cache_key =
      CacheKey(source.mutable_content ? EvaluationIdentity(evaluation) : revision);
  STOWAGE_ASSIGN_OR_RETURN(std::optional<ImageRecord> known, Known(cache_key));
  if (known) return Finish(*std::move(known), revision, true);
  absl::Status not_lazy;
  if (lazily_) {
    STOWAGE_ASSIGN_OR_RETURN(const bool here, AllHere(evaluation));
    if (!here) {
      const absl::StatusOr<ImageRecord> lazy = StartLazily(evaluation, cache_key, revision);
      if (lazy.ok()) return Finish(*lazy, revision, false);
      if (absl::IsCancelled(lazy.status())) return lazy.status();
      not_lazy = lazy.status();
    }
  }
  const absl::StatusOr<ImageRecord> said = resolver_.images_.FindByCacheKey(cache_key);
  STOWAGE_ASSIGN_OR_RETURN(ImageRecord image, Make(evaluation, cache_key, revision));
  if (said.ok()) CompareWithRecord(*said, image);
  STOWAGE_ASSIGN_OR_RETURN(ResolvedImage made, Finish(std::move(image), revision, false));
  if (!not_lazy.ok())
    made.warnings.push_back(absl::StrCat("fetched whole: ", FirstLine(not_lazy.message())));
  return made;
}

absl::StatusOr<bool> ImageResolver::Run::AllHere(const Evaluation& evaluation) {
  std::vector<StorePath> paths;
  for (const EvaluatedPackage& package : evaluation.packages) paths.push_back(package.out_path);
  STOWAGE_ASSIGN_OR_RETURN(const auto hashes, resolver_.closures_->NarHashes(paths));
  return std::all_of(hashes.begin(), hashes.end(),
                     [](const auto& hash) { return hash.has_value(); });
}

absl::StatusOr<ImageRecord> ImageResolver::Run::StartLazily(const Evaluation& evaluation,
                                                            const Digest& cache_key,
                                                            const std::string& revision) {
  STOWAGE_RETURN_IF_ERROR(not_held_);
  std::vector<StorePath> paths;
  for (const EvaluatedPackage& package : evaluation.packages) paths.push_back(package.out_path);
  return resolver_.lazy_start_.Start(
      Request(cache_key, revision, Packages(evaluation, paths), Closure()), reference_.tag(),
      unique_, [this](ResolveProgress event) { job_.Report(std::move(event)); },
      Limits(resolver_.options_.evaluation_timeout));
}

void ImageResolver::Run::CompareWithRecord(const ImageRecord& said, const ImageRecord& made) {
  const std::string& by = said.summary.recorded_by;
  if (by.empty() || by == kProvisional || said.manifest_digest == made.manifest_digest) return;
  resolver_.catalog_.TellWrongRecord(
      absl::StrCat("nix/", made.name, " of ", by, " has the manifest ",
                   said.manifest_digest.ToString(), ", and ", made.manifest_digest.ToString(),
                   " made of its store paths. Pull it with --no-lazy"));
}

absl::StatusOr<Evaluation> ImageResolver::Run::Evaluate(const SourceRevision& source) {
  EvaluationRequest request;
  request.set_path = source.set_path;
  request.system = reference_.system();
  request.names = reference_.packages();
  if (reference_.shell())
    request.names.insert(request.names.end(), resolver_.options_.shell.begin(),
                         resolver_.options_.shell.end());
  request.optional_names = resolver_.options_.always;
  job_.Report(
      Line(Phase::kEvaluate, absl::StrCat("evaluating ", request.names.size(), " packages")));
  return resolver_.evaluator_.Evaluate(request, Limits(resolver_.options_.evaluation_timeout));
}

absl::StatusOr<std::vector<StorePath>> ImageResolver::Run::Realise(const Evaluation& evaluation,
                                                                   const std::string& root) {
  job_.Report(
      Line(Phase::kRealise, absl::StrCat("realising ", evaluation.packages.size(), " packages")));
  std::vector<StorePath> paths;
  for (const EvaluatedPackage& package : evaluation.packages) paths.push_back(package.out_path);
  STOWAGE_ASSIGN_OR_RETURN(
      const bool valid, RootValidPaths(paths, root, resolver_.options_.nix, *resolver_.closures_));
  if (valid) return paths;
  const auto progress = [this](const RealiseProgress& event) {
    ResolveProgress line = Line(Phase::kRealise, event.current);
    line.done = event.done;
    line.total = event.total;
    line.log_line = event.log_line;
    job_.Report(std::move(line));
  };
  return resolver_.realiser_.Realise(evaluation.packages, root, progress,
                                     Limits(resolver_.options_.build_timeout));
}

absl::StatusOr<ImageRecord> ImageResolver::Run::Make(const Evaluation& evaluation,
                                                     const Digest& cache_key,
                                                     const std::string& revision) {
  const std::string root = resolver_.catalog_.gc_roots().ResolveLink(unique_);
  const auto paths = Realise(evaluation, root);
  absl::StatusOr<ImageRecord> image =
      paths.ok() ? Assemble(Packages(evaluation, *paths), cache_key, revision) : paths.status();
  STOWAGE_FAULT_POINT("resolve.make.built");
  // The layers have roots of their own now; after an error nothing is to be kept.
  const absl::Status removed = RemoveRoots(root);
  STOWAGE_FAULT_POINT("resolve.make.unrooted");
  if (image.ok() && !removed.ok()) return removed;
  return image;
}

std::vector<RealisedPackage> ImageResolver::Run::Packages(
    const Evaluation& evaluation, const std::vector<StorePath>& paths) const {
  const size_t asked = reference_.packages().size();
  const size_t shell = reference_.shell() ? resolver_.options_.shell.size() : 0;
  absl::flat_hash_set<std::string> seen;
  std::vector<RealisedPackage> packages;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!seen.insert(paths[i].base_name()).second) continue;
    const auto origin = i < asked           ? RealisedPackage::Origin::kAsked
                        : i < asked + shell ? RealisedPackage::Origin::kShell
                                            : RealisedPackage::Origin::kAlways;
    packages.push_back({origin, paths[i], evaluation.packages[i].main_program});
  }
  return packages;
}

absl::StatusOr<ImageRecord> ImageResolver::Run::Assemble(std::vector<RealisedPackage> packages,
                                                         const Digest& cache_key,
                                                         const std::string& revision) {
  std::vector<StorePath> roots;
  for (const RealisedPackage& package : packages) roots.push_back(package.out_path);
  STOWAGE_ASSIGN_OR_RETURN(Closure closure, resolver_.closures_->Read(roots));
  return resolver_.builder_.Build(
      Request(cache_key, revision, std::move(packages), std::move(closure)),
      [this](ResolveProgress event) { job_.Report(std::move(event)); });
}

ImageBuildRequest ImageResolver::Run::Request(const Digest& cache_key, const std::string& revision,
                                              std::vector<RealisedPackage> packages,
                                              Closure closure) const {
  return {reference_,
          cache_key,
          resolver_.source_->Describe(),
          resolver_.source_->PublicUrl(),
          revision,
          std::move(packages),
          std::move(closure),
          resolver_.stop_.get_token()};
}

absl::StatusOr<std::unique_ptr<ImageResolver>> ImageResolver::Open(ImageResolverOptions options,
                                                                   LayerCatalog& catalog,
                                                                   ImageTable& images,
                                                                   LogFunction log) {
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<PackageSource> source,
                           PackageSource::Create(options.source));
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<ClosureReader> closures, OpenClosureReader(options.nix));
  STOWAGE_ASSIGN_OR_RETURN(std::string plan_identity, LayerPlanIdentity(options.builder.layering));
  STOWAGE_RETURN_IF_ERROR(catalog.gc_roots().RemoveResolveLinks());
  return std::unique_ptr<ImageResolver>(
      new ImageResolver(std::move(options), catalog, images, std::move(log), std::move(source),
                        std::move(closures), std::move(plan_identity)));
}

ImageResolver::ImageResolver(ImageResolverOptions options, LayerCatalog& catalog,
                             ImageTable& images, LogFunction log,
                             std::unique_ptr<PackageSource> source,
                             std::unique_ptr<ClosureReader> closures, std::string plan_identity)
    : options_(std::move(options)),
      catalog_(catalog),
      images_(images),
      log_(std::move(log)),
      source_(std::move(source)),
      closures_(std::move(closures)),
      plan_identity_(std::move(plan_identity)),
      evaluator_(options_.nix),
      realiser_(options_.nix),
      builder_(options_.builder, catalog, images),
      lazy_start_({options_.nix, options_.records, options_.builder.hold}, *closures_, catalog,
                  images, builder_),
      free_slots_(options_.concurrent_resolves),
      pool_(kMaxRuns) {}

ImageResolver::~ImageResolver() { Cancel(); }

std::optional<ResolvedImage> ImageResolver::Remembered(const ImageReference& reference) {
  auto tag = images_.FindTag(reference.name(), reference.tag());
  if (!tag.ok() || tag->resolved_at + options_.tag_lifetime < absl::Now() ||
      !tag->image.summary.recorded_by.empty())
    return std::nullopt;
  // Held first and looked at then: in this order the collector cannot come in between. Roots
  // protect the store paths, so these are not looked at one by one.
  const Digest& manifest = tag->image.manifest_digest;
  if (!images_.HoldImage(manifest, absl::Now(), options_.builder.hold).ok()) return std::nullopt;
  const auto complete = images_.Complete(manifest);
  if (!complete.ok() || !*complete) return std::nullopt;
  const auto layers = images_.Layers(tag->image.id);
  if (!layers.ok() || !catalog_.CheckNonePromised(*layers).ok() ||
      !catalog_.CheckHashed(*layers).ok())
    return std::nullopt;
  std::vector<std::string> warnings = tag->image.summary.warnings;
  return ResolvedImage{std::move(tag->image), reference.tag(), tag->revision, true,
                       std::move(warnings)};
}

std::shared_ptr<ResolveJob> ImageResolver::Resolve(const ImageReference& reference, bool lazily) {
  const std::string key = JobKey(reference, lazily);
  const absl::MutexLock lock(&mutex_);
  if (const auto running = running_.find(key); running != running_.end()) return running->second;
  auto job = std::make_shared<ResolveJob>();
  if (running_.size() >= kMaxRuns) {
    job->Finish(absl::ResourceExhaustedError(
        absl::StrCat(kMaxRuns, " images are being resolved at this moment; try again in a while")));
    return job;
  }
  running_[key] = job;
  pool_.Submit([this, reference, lazily, job] { Work(reference, lazily, job); });
  return job;
}

void ImageResolver::Work(const ImageReference& reference, bool lazily,
                         const std::shared_ptr<ResolveJob>& job) {
  std::string unique;
  {
    const absl::MutexLock lock(&mutex_);
    unique = absl::StrCat(::getpid(), "-", ++runs_);
  }
  const absl::Time start = absl::Now();
  log_(LogLevel::kInfo, absl::StrCat("resolve_started reference=", reference.ToString()));
  ResolveJob::Result result = stop_.stop_requested()
                                  ? ResolveJob::Result(absl::CancelledError("stowaged is stopping"))
                                  : Run(*this, reference, lazily, *job, unique).Execute();
  const std::string took =
      absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1)));
  if (result.ok()) {
    log_(LogLevel::kInfo, absl::StrCat("resolve_finished reference=", reference.ToString(),
                                       " image_id=", result->image.config_digest.ToString(),
                                       " cached=", result->from_cache ? 1 : 0, " took=", took));
  } else {
    log_(LogLevel::kWarning,
         absl::StrCat("resolve_failed reference=", reference.ToString(), " took=", took,
                      " error=\"", FirstLine(result.status().message()), "\""));
  }
  {
    // Whoever asks from now on gets a new run; it will find what this one has recorded.
    const absl::MutexLock lock(&mutex_);
    running_.erase(JobKey(reference, lazily));
  }
  job->Finish(std::move(result));
}

}  // namespace stowage
