#include "plugin/images/layer_hasher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "layering/layer_archive.h"
#include "plugin/images/idle_hash.h"
#include "plugin/images/object_paths.h"

namespace stowage {
namespace {

// A layer that could not be read, or whose store paths are damaged, waits for a person.
constexpr absl::Duration kRetry = absl::Minutes(10);

}  // namespace

LayerHasher::LayerHasher(Options options, LayerCatalog& catalog, LogFunction log)
    : options_(std::move(options)),
      catalog_(catalog),
      log_(std::move(log)),
      thread_([this] { Run(); }) {}

LayerHasher::~LayerHasher() {
  stop_.request_stop();
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void LayerHasher::Run() {
  LeaveDiskToOthers();
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.interval)) return;
    }
    HashWhatIsWhole();
  }
}

void LayerHasher::HashWhatIsWhole() {
  const auto layers = catalog_.table().LayersToHash();
  if (!layers.ok()) {
    log_(LogLevel::kWarning,
         absl::StrCat("ask_layers_to_hash_failed error=\"", layers.status().message(), "\""));
    return;
  }
  for (const LayerRecord& layer : *layers) {
    if (stop_.stop_requested()) return;
    const auto waits = look_again_.find(layer.id);
    if (waits != look_again_.end() && absl::Now() < waits->second) continue;
    if (!catalog_.CheckNonePromised({layer.id}).ok()) continue;
    const absl::Status hashed = HashLayer(layer);
    if (hashed.ok() || absl::IsCancelled(hashed)) continue;
    look_again_[layer.id] = absl::Now() + kRetry;
    log_(LogLevel::kWarning, absl::StrCat("layer_not_hashed layer=", layer.diff_id.ToString(),
                                          " error=\"", hashed.message(), "\""));
  }
}

absl::StatusOr<LayerDigest> LayerHasher::Hash(const LayerArchive& archive) {
  const std::function<bool()> stopping = [this] { return stop_.stop_requested(); };
  StoppableSink sink(stopping);
  STOWAGE_RETURN_IF_ERROR(archive.Emit(0, archive.size_bytes(), sink));
  return LayerDigest{sink.Finish(), archive.size_bytes()};
}

absl::Status LayerHasher::HashLayer(const LayerRecord& layer) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                           catalog_.table().Objects({layer.id}));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<StorePath> paths, PathsOf(objects));
  std::vector<std::string> base_names;
  for (const ObjectRecord& object : objects) base_names.push_back(object.base_name);
  STOWAGE_ASSIGN_OR_RETURN(const LayerArchive archive,
                           LayerArchive::ForStorePaths(options_.store_directory, base_names));
  STOWAGE_ASSIGN_OR_RETURN(const LayerDigest digest, Hash(archive));
  const bool right = digest.diff_id == layer.diff_id && digest.size_bytes == layer.size_bytes;
  if (!right) {
    STOWAGE_RETURN_IF_ERROR(
        Annotate(options_.verify(paths, stop_.get_token()),
                 absl::StrCat("it is not what ", layer.recorded_by, " has recorded, and")));
    // They may have been repaired between the two.
    STOWAGE_ASSIGN_OR_RETURN(const LayerDigest again, Hash(archive));
    if (again.diff_id != digest.diff_id)
      return absl::UnavailableError("store paths were changed while they were hashed");
  }
  STOWAGE_RETURN_IF_ERROR(catalog_.Hashed(layer, digest));
  if (right)
    log_(LogLevel::kInfo, absl::StrCat("layer_record_confirmed layer=", layer.diff_id.ToString()));
  return absl::OkStatus();
}

}  // namespace stowage
