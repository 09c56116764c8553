#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "nix/closure_reader.h"
#include "nix/evaluation.h"
#include "nix/image_reference.h"
#include "nix/package_source.h"
#include "nix/realisation.h"
#include "plugin/images/image_builder.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"
#include "plugin/images/lazy_start.h"
#include "plugin/images/record_source.h"
#include "plugin/images/resolve_job.h"

namespace stowage {

struct ImageResolverOptions {
  PackageSourceOptions source;
  NixOptions nix;
  std::vector<std::string> always;  // packages added where the set has them
  std::vector<std::string> shell;   // what the meta-package `shell` stands for
  ImageBuilderOptions builder;
  absl::Duration tag_lifetime;
  absl::Duration evaluation_timeout;
  absl::Duration build_timeout;
  size_t concurrent_resolves = 4;  // that use Nix at the same time
  RecordSourceOptions records;     // of images that were not made here
};

// Turns references into images: tag to revision, evaluation, realisation, closure, image, each step
// remembered where its result cannot change. One run per reference at a time; whoever asks
// meanwhile joins it. A run goes on when everybody who waits for it has left. Thread-safe.
class ImageResolver {
 public:
  static absl::StatusOr<std::unique_ptr<ImageResolver>> Open(ImageResolverOptions options,
                                                             LayerCatalog& catalog,
                                                             ImageTable& images, LogFunction log);
  // Cancel, and waits for what was running.
  ~ImageResolver();

  // The image that a tag meant within the tag's lifetime, if all of it is still there, nothing of
  // it promised, and hashed here; nothing otherwise. Milliseconds.
  std::optional<ResolvedImage> Remembered(const ImageReference& reference);

  // Resolves, or joins the run that does. lazily: the image may come without its store paths, which
  // are fetched when somebody looks into them: as it was made here before, else as the Stowage of
  // ImageResolverOptions::records knows it, else as a provisional one of what a binary cache has.
  // Where none of it can be, it is fetched whole, with a warning saying why.
  std::shared_ptr<ResolveJob> Resolve(const ImageReference& reference, bool lazily = false);

  // Ends running resolves with Cancelled; later ones end at once.
  void Cancel() { stop_.request_stop(); }

  std::string DescribeSource() const { return source_->Describe(); }

 private:
  class Run;
  class Slot;

  ImageResolver(ImageResolverOptions options, LayerCatalog& catalog, ImageTable& images,
                LogFunction log, std::unique_ptr<PackageSource> source,
                std::unique_ptr<ClosureReader> closures, std::string plan_identity);
  void Work(const ImageReference& reference, bool lazily, const std::shared_ptr<ResolveJob>& job);

  const ImageResolverOptions options_;
  LayerCatalog& catalog_;
  ImageTable& images_;
  const LogFunction log_;
  const std::unique_ptr<PackageSource> source_;
  const std::unique_ptr<ClosureReader> closures_;
  const std::string plan_identity_;
  NixEvaluator evaluator_;
  NixRealiser realiser_;
  ImageBuilder builder_;
  LazyStart lazy_start_;
  std::stop_source stop_;
  absl::Mutex mutex_;
  // Owners of a job: this map until it is finished, its run, and those who wait.
  absl::flat_hash_map<std::string, std::shared_ptr<ResolveJob>> running_ ABSL_GUARDED_BY(mutex_);
  uint64_t runs_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t free_slots_ ABSL_GUARDED_BY(mutex_);
  ThreadPool pool_;  // last: its destructor waits for runs that use the members above
};

}  // namespace stowage
