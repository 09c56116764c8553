#include "plugin/images/layer_catalog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/annotate.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "plugin/images/profile_record.h"

namespace stowage {
namespace {

// An archive of 10,000 files is some hundred kilobytes and a descriptor; a pull reads all layers of
// an image at about the same time.
constexpr size_t kKeptArchives = 128;
constexpr size_t kKeptWrongRecords = 100;

// The name under which GcRoots keeps a layer's roots.
std::string RootHolder(const LayerRecord& layer) { return layer.content_key.hex(); }

ViewDriversOptions DriversOptions(const LayerCatalogOptions& options) {
  return {options.driver,
          {options.state_directory, options.overlay_directory, options.store_directory,
           options.overlay_mount_options, options.warn}};
}

std::string LostLayer(const LayerRecord& layer, const absl::Status& why) {
  return absl::StrCat("layer ", layer.diff_id.ToString(),
                      " is lost, and so are snapshots that have it: ", why.message());
}

absl::Status CheckExists(int directory_fd, const std::string& name, absl::string_view directory) {
  struct stat status;
  if (::fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(directory, "/", name));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LayerCatalog>> LayerCatalog::Open(
    const LayerCatalogOptions& options) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(options.state_directory + "/profiles"));
  STOWAGE_RETURN_IF_ERROR(OpenProfileRecords(options.state_directory));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(options.gc_roots_directory));
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<LayerTable> table,
                           LayerTable::Open(options.state_directory + "/stowage.db"));
  STOWAGE_ASSIGN_OR_RETURN(
      std::unique_ptr<FuseViews> views,
      FuseViews::Open({options.state_directory, options.fuse_mountpoint, options.store_directory},
                      *table));
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<ViewDrivers> drivers,
                           ViewDrivers::Open(DriversOptions(options), *views, *table));
  STOWAGE_ASSIGN_OR_RETURN(ExpectedTrees expected_trees,
                           ExpectedTrees::Open(options.state_directory));
  std::unique_ptr<LayerCatalog> catalog(new LayerCatalog(
      options, std::move(table), std::move(views), std::move(drivers), std::move(expected_trees)));
  auto removals = RemovalWatch::Open(options.store_directory);
  if (removals.ok()) catalog->removals_.emplace(*std::move(removals));
  STOWAGE_RETURN_IF_ERROR(
      Annotate(catalog->ReconcileRoots(), "compare the GC roots with the database"));
  STOWAGE_RETURN_IF_ERROR(
      Annotate(catalog->RemoveUnneededProfiles().status(), "clean up profiles"));
  return catalog;
}

// Roots were lost (power failure, a person who removed the directory) while snapshots may need
// them.
absl::Status LayerCatalog::RootAgain(const LayerRecord& layer) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, table_->Objects({layer.id}));
  const auto store = OpenAt(AT_FDCWD, options_.store_directory, O_PATH | O_DIRECTORY);
  if (!store.ok()) return absl::UnavailableError(store.status().message());
  std::vector<StorePath> paths;
  for (const ObjectRecord& object : objects) {
    if (!views_->promises().Contains(object.number))
      STOWAGE_RETURN_IF_ERROR(
          CheckExists(store->get(), object.base_name, options_.store_directory));
    STOWAGE_ASSIGN_OR_RETURN(StorePath path, StorePath::FromBaseName(object.base_name));
    paths.push_back(std::move(path));
  }
  const absl::Status added = gc_roots_.Add(RootHolder(layer), paths);
  return added.ok() ? added : absl::UnavailableError(added.message());
}

bool LayerCatalog::RootUnrooted(int64_t id) {
  const absl::StatusOr<LayerRecord> layer = table_->FindById(id);
  if (!layer.ok()) return absl::IsNotFound(layer.status());
  if (!layer->rooted) return true;
  const absl::Status status = RootAgain(*layer);
  if (!absl::IsNotFound(status)) return status.ok();
  if (!table_->SetRooted({id}, false).ok()) return false;
  options_.warn(LostLayer(*layer, status));
  return true;
}

// What went wrong before has been told.
void LayerCatalog::RootUnrooted() {
  std::vector<int64_t> layers;
  {
    const absl::MutexLock lock(&mutex_);
    layers.assign(unrooted_.begin(), unrooted_.end());
  }
  for (const int64_t id : layers) {
    if (!RootUnrooted(id)) continue;
    const absl::MutexLock lock(&mutex_);
    unrooted_.erase(id);
  }
}

absl::Status LayerCatalog::ReconcileRoots() {
  const absl::MutexLock lock(&collecting_);
  STOWAGE_RETURN_IF_ERROR(gc_roots_.RemoveUnfinished());
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> holders, gc_roots_.Holders());
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> rooted, table_->RootedLayers());
  const absl::flat_hash_set<std::string> present(holders.begin(), holders.end());
  absl::flat_hash_set<std::string> claimed;
  std::vector<int64_t> lost;
  for (const LayerRecord& layer : rooted) {
    const bool has_roots = layer.kind == LayerKind::kProfile || present.contains(RootHolder(layer));
    const absl::Status status = has_roots ? absl::OkStatus() : RootAgain(layer);
    if (absl::IsNotFound(status)) {
      lost.push_back(layer.id);
      options_.warn(LostLayer(layer, status));
      continue;
    }
    claimed.insert(RootHolder(layer));
    if (status.ok()) continue;
    {
      const absl::MutexLock unrooted_lock(&mutex_);
      unrooted_.insert(layer.id);
    }
    options_.warn(absl::StrCat("layer ", layer.diff_id.ToString(),
                               " is without GC roots, tried again later: ", status.message()));
  }
  STOWAGE_RETURN_IF_ERROR(table_->SetRooted(lost, false));
  STOWAGE_FAULT_POINT("layers.reconcile.claims_dropped");
  for (const std::string& holder : holders) {
    if (!claimed.contains(holder)) STOWAGE_RETURN_IF_ERROR(gc_roots_.Remove(holder));
  }
  return absl::OkStatus();
}

std::string LayerCatalog::NewProfileDirectory(absl::string_view unique) const {
  return absl::StrCat(options_.state_directory, "/profiles/new-skeleton-", unique);
}

std::string LayerCatalog::ProfileDirectory(const LayerRecord& profile) const {
  return absl::StrCat(options_.state_directory, "/profiles/", profile.diff_id.hex());
}

absl::Status LayerCatalog::RestoreProfile(const LayerRecord& profile) const {
  return stowage::RestoreProfile(options_.state_directory, profile, ProfileDirectory(profile));
}

absl::Status LayerCatalog::AddRoots(const LayerRecord& layer, absl::Span<const StorePath> paths) {
  if (layer.kind == LayerKind::kProfile) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(gc_roots_.Add(RootHolder(layer), paths));
  const absl::MutexLock lock(&mutex_);
  unrooted_.erase(layer.id);
  return absl::OkStatus();
}

bool LayerCatalog::HasRoots(const LayerRecord& layer) {
  const absl::MutexLock lock(&mutex_);
  return layer.rooted && !unrooted_.contains(layer.id);
}

absl::Status LayerCatalog::KeepPromises(absl::Span<const int64_t> layers) {
  if (views_->promises().All().empty()) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, table_->Objects(layers));
  for (const ObjectRecord& object : objects) {
    if (!views_->promises().Contains(object.number)) continue;
    // Whoever has made an image of it does not go by a listing.
    STOWAGE_RETURN_IF_ERROR(expected_trees_.Forget(object.number));
    STOWAGE_RETURN_IF_ERROR(views_->KeepPromise(object));
  }
  return absl::OkStatus();
}

absl::Status LayerCatalog::CheckListing(const ObjectRecord& object) {
  absl::Status as_listed = expected_trees_.Check(object, options_.store_directory);
  if (!absl::IsDataLoss(as_listed)) return as_listed;
  STOWAGE_ASSIGN_OR_RETURN(const bool provisional, table_->IsInProvisionalLayer(object.number));
  if (provisional) return as_listed;
  // What is left of an image that nothing holds any longer says nothing about others.
  return expected_trees_.Forget(object.number);
}

void LayerCatalog::Promised(std::vector<int64_t> first) {
  if (fetch_) fetch_(std::move(first));
}

absl::Status LayerCatalog::Root(const LayerRecord& layer, absl::Span<const StorePath> top_paths) {
  STOWAGE_RETURN_IF_ERROR(AddRoots(layer, top_paths));
  STOWAGE_FAULT_POINT("layers.root.rooted");
  return table_->SetRooted({layer.id}, true);
}

absl::Status LayerCatalog::CheckPresent(absl::Span<const int64_t> layers) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> records, table_->FindAll(layers));
  for (const LayerRecord& layer : records) {
    if (!layer.rooted)
      return absl::NotFoundError(
          absl::StrCat("layer ", layer.diff_id.ToString(), " is not held here"));
    if (!HasRoots(layer))
      return absl::UnavailableError(absl::StrCat(
          "layer ", layer.diff_id.ToString(), " has no GC roots below ",
          options_.gc_roots_directory, "; the log of stowaged says why they cannot be made"));
  }
  return CheckFiles(records);
}

absl::Status LayerCatalog::CheckNonePromised(absl::Span<const int64_t> layers) {
  const std::vector<int64_t> promised = views_->promises().All();
  if (promised.empty()) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, table_->Objects(layers));
  for (const ObjectRecord& object : objects)
    if (std::binary_search(promised.begin(), promised.end(), object.number))
      return absl::UnavailableError(
          absl::StrCat(options_.store_directory, "/", object.base_name,
                       " is still to be fetched; 'stowage pull --no-lazy' waits for it"));
  return absl::OkStatus();
}

absl::Status LayerCatalog::CheckComplete(absl::Span<const int64_t> layers) {
  STOWAGE_RETURN_IF_ERROR(CheckPresent(layers));
  STOWAGE_RETURN_IF_ERROR(CheckNonePromised(layers));
  return CheckHashed(layers);
}

absl::Status LayerCatalog::CheckHashed(absl::Span<const int64_t> layers) {
  STOWAGE_ASSIGN_OR_RETURN(const bool all_hashed, table_->AllHashed());
  if (all_hashed) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> records, table_->FindAll(layers));
  for (const LayerRecord& layer : records) {
    if (layer.recorded_by == kProvisional)
      return absl::UnavailableError(absl::StrCat("layer ", layer.diff_id.ToString(),
                                                 " is provisional: 'stowage pull --no-lazy' makes "
                                                 "the image that others can have"));
    if (!layer.recorded_by.empty())
      return absl::UnavailableError(absl::StrCat("layer ", layer.diff_id.ToString(), " is ",
                                                 layer.recorded_by,
                                                 "'s word and is still to be hashed here"));
  }
  return absl::OkStatus();
}

absl::Status LayerCatalog::CheckServed(const LayerRecord& layer) {
  if (layer.recorded_by == kProvisional)
    return absl::NotFoundError(
        absl::StrCat("layer ", layer.diff_id.ToString(), " has no bytes, it is provisional"));
  if (!layer.rooted)
    return absl::NotFoundError(absl::StrCat("layer ", layer.diff_id.ToString(),
                                            " is not held any longer: pull the image again"));
  // A promised path may be there in part: Nix unpacks at the final place.
  STOWAGE_RETURN_IF_ERROR(CheckNonePromised({layer.id}));
  return CheckHashed({layer.id});
}

absl::Status LayerCatalog::Hashed(const LayerRecord& layer, const LayerDigest& digest) {
  STOWAGE_ASSIGN_OR_RETURN(const LayerRecord recorded, table_->FindById(layer.id));
  std::string what;
  {
    // Held across both, so that who sees the record corrected finds it told in `wrong_records`.
    const absl::MutexLock lock(&wrong_records_mutex_);
    STOWAGE_ASSIGN_OR_RETURN(const SettledRecord settled,
                             table_->SettleRecord(layer.id, digest.diff_id, digest.size_bytes));
    if (settled.was_right) return absl::OkStatus();
    what = absl::StrCat(recorded.diff_id.ToString(), " of ", recorded.recorded_by, " is ",
                        digest.diff_id.ToString(), " in truth");
    if (!settled.forgotten.empty())
      absl::StrAppend(&what, "; images made of it: ",
                      absl::StrJoin(settled.forgotten, " ",
                                    [](std::string* out, const std::string& name) {
                                      absl::StrAppend(out, "nix/", name);
                                    }),
                      ". Remove them and pull them with --no-lazy");
    AddWrongRecord(what);
  }
  options_.warn(absl::StrCat("wrong_layer_record record=\"", what, "\""));
  return absl::OkStatus();
}

void LayerCatalog::AddWrongRecord(std::string what) {
  wrong_records_.push_back(std::move(what));
  if (wrong_records_.size() > kKeptWrongRecords) wrong_records_.pop_front();
}

void LayerCatalog::TellWrongRecord(std::string what) {
  options_.warn(absl::StrCat("wrong_image_record record=\"", what, "\""));
  const absl::MutexLock lock(&wrong_records_mutex_);
  AddWrongRecord(std::move(what));
}

std::vector<std::string> LayerCatalog::wrong_records() {
  const absl::MutexLock lock(&wrong_records_mutex_);
  return std::vector<std::string>(wrong_records_.begin(), wrong_records_.end());
}

std::vector<int64_t> LayerCatalog::NotChecked(absl::Span<const LayerRecord> records,
                                              uint64_t removals) {
  const absl::MutexLock lock(&mutex_);
  if (checked_at_ != removals) checked_.clear();
  checked_at_ = removals;
  std::vector<int64_t> layers;
  for (const LayerRecord& layer : records) {
    if (layer.kind == LayerKind::kStorePaths && !checked_.contains(layer.id))
      layers.push_back(layer.id);
  }
  return layers;
}

absl::Status LayerCatalog::CheckStorePaths(absl::Span<const int64_t> layers) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, table_->Objects(layers));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store,
                           OpenAt(AT_FDCWD, options_.store_directory, O_PATH | O_DIRECTORY));
  for (const ObjectRecord& object : objects)
    if (!views_->promises().Contains(object.number))
      STOWAGE_RETURN_IF_ERROR(CheckExists(store.get(), object.base_name, options_.store_directory));
  return absl::OkStatus();
}

absl::Status LayerCatalog::CheckFiles(absl::Span<const LayerRecord> records) {
  for (const LayerRecord& layer : records) {
    if (layer.kind == LayerKind::kProfile)
      STOWAGE_RETURN_IF_ERROR(
          CheckExists(AT_FDCWD, ProfileDirectory(layer), absl::string_view("profile directory ")));
  }
  STOWAGE_RETURN_IF_ERROR(CheckPathsExist(records));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> whole, WithoutPromised(records));
  return store_check_.Check(whole);
}

// What Nix is unpacking has other mtimes until it is done.
absl::StatusOr<std::vector<LayerRecord>> LayerCatalog::WithoutPromised(
    absl::Span<const LayerRecord> records) {
  std::vector<LayerRecord> whole;
  for (const LayerRecord& layer : records) {
    const absl::Status none = CheckNonePromised({layer.id});
    if (none.ok())
      whole.push_back(layer);
    else if (!absl::IsUnavailable(none))
      return none;
  }
  return whole;
}

absl::Status LayerCatalog::CheckPathsExist(absl::Span<const LayerRecord> records) {
  // Counted before the check: what is removed during it is seen by the next one.
  uint64_t removals = 0;
  if (removals_) {
    STOWAGE_ASSIGN_OR_RETURN(removals, removals_->Count());
  }
  const std::vector<int64_t> layers = NotChecked(records, removals);
  if (layers.empty()) return absl::OkStatus();
  STOWAGE_RETURN_IF_ERROR(CheckStorePaths(layers));
  const absl::MutexLock lock(&mutex_);
  if (removals_ && checked_at_ == removals) checked_.insert(layers.begin(), layers.end());
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const LayerArchive>> LayerCatalog::Archive(const Digest& diff_id) {
  STOWAGE_ASSIGN_OR_RETURN(const LayerRecord layer, table_->FindByDiffId(diff_id));
  STOWAGE_RETURN_IF_ERROR(CheckServed(layer));
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = std::find_if(archives_.begin(), archives_.end(),
                                    [&](const auto& entry) { return entry.first == diff_id; });
    if (found != archives_.end()) {
      std::rotate(found, found + 1, archives_.end());
      return archives_.back().second;
    }
  }
  std::vector<std::string> base_names;
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, table_->Objects({layer.id}));
  for (const ObjectRecord& object : objects) base_names.push_back(object.base_name);
  STOWAGE_ASSIGN_OR_RETURN(LayerArchive archive,
                           layer.kind == LayerKind::kProfile
                               ? LayerArchive::ForDirectory(ProfileDirectory(layer))
                               : LayerArchive::ForStorePaths(options_.store_directory, base_names));
  if (archive.size_bytes() != layer.size_bytes)
    return absl::DataLossError(
        absl::StrCat("layer ", diff_id.ToString(), " has ", archive.size_bytes(),
                     " bytes instead of ", layer.size_bytes,
                     ": its store paths were changed; try 'nix-store --verify --check-contents'"));
  auto shared = std::make_shared<const LayerArchive>(std::move(archive));
  const absl::MutexLock lock(&mutex_);
  archives_.emplace_back(diff_id, shared);
  if (archives_.size() > kKeptArchives) archives_.erase(archives_.begin());
  return shared;
}

absl::StatusOr<std::vector<int64_t>> LayerCatalog::FindChain(
    const Digest& chain_id, const std::optional<Digest>& parent_chain_id) {
  std::vector<int64_t> layers;
  if (parent_chain_id) {
    STOWAGE_ASSIGN_OR_RETURN(const int64_t top, table_->TopLayer(chain_id, *parent_chain_id));
    layers.push_back(top);
  } else {
    STOWAGE_ASSIGN_OR_RETURN(layers, table_->ChainLayers(chain_id));
  }
  STOWAGE_RETURN_IF_ERROR(CheckPresent(layers));
  return layers;
}

absl::StatusOr<std::vector<LowerDirectory>> LayerCatalog::LowerDirectories(
    absl::Span<const int64_t> layers, ViewDriver driver) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> records, table_->FindAll(layers));
  // GC roots keep Nix from taking them, not a person: better no container than a broken one.
  const absl::Status present = CheckFiles(records);
  if (absl::IsDataLoss(present)) return Annotate(present, "show layers");
  if (!present.ok())
    return absl::DataLossError(
        absl::StrCat("show layers: ", present.message(),
                     "; 'nix-store --verify --repair' brings a lost store path back, removing and "
                     "pulling the image a lost profile"));
  // Only stowage-fuse can let a reader wait.
  if (driver == ViewDriver::kOverlay) STOWAGE_RETURN_IF_ERROR(CheckNonePromised(layers));
  std::vector<LowerDirectory> directories;  // base first until the end
  for (auto layer = records.begin(); layer != records.end();) {
    if (layer->kind == LayerKind::kProfile) {
      directories.push_back({ProfileDirectory(*layer++)});
      continue;
    }
    const auto end = std::find_if(
        layer, records.end(), [](const LayerRecord& l) { return l.kind == LayerKind::kProfile; });
    const absl::Span<const LayerRecord> run(&*layer, static_cast<size_t>(end - layer));
    STOWAGE_ASSIGN_OR_RETURN(LowerDirectory directory, drivers_->Show(run, driver));
    directories.push_back(std::move(directory));
    layer = end;
  }
  std::reverse(directories.begin(), directories.end());
  return directories;
}

void LayerCatalog::SnapshotsRemoved() {
  if (wake_) wake_();
}

// Removes profile directories that no held layer has and no mount shows, and what an interrupted
// build left. No image may be in the making. Returns whether some stay because
// they are mounted.
absl::StatusOr<bool> LayerCatalog::RemoveUnneededProfiles() {
  const std::string directory = options_.state_directory + "/profiles";
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> rooted, table_->RootedLayers());
  absl::flat_hash_set<std::string> needed;
  for (const LayerRecord& layer : rooted) needed.insert(layer.diff_id.hex());
  bool left = false;
  for (const std::string& name : names) {
    if (needed.contains(name)) continue;
    STOWAGE_ASSIGN_OR_RETURN(const bool mounted, views_->MountsName(name));
    left |= mounted;
    if (!mounted) STOWAGE_RETURN_IF_ERROR(RemoveTree(absl::StrCat(directory, "/", name)));
  }
  return left;
}

absl::StatusOr<size_t> LayerCatalog::Collect(absl::Time now) {
  // Not waited for: with a writer waiting, no further image could be made.
  if (!collecting_.TryLock()) return 0;
  const absl::StatusOr<size_t> count = CollectLayers(now);
  collecting_.Unlock();
  return count;
}

absl::StatusOr<size_t> LayerCatalog::CollectLayers(absl::Time now) {
  RootUnrooted();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> unneeded,
                           table_->TakeUnneededLayers(now));
  if (unneeded.empty() && !files_left_) return 0;
  files_left_ = true;  // until all of it went well
  STOWAGE_FAULT_POINT("layers.collect.taken");
  // The claims are gone already: should this end here, the next start finds roots that nobody
  // claims.
  {
    const absl::MutexLock lock(&mutex_);
    archives_.clear();
  }
  // Index files before roots: stowage-fuse then closes what it has open of the store paths, which
  // Nix would take for alive.
  const absl::StatusOr<bool> views_left = drivers_->RemoveUnneeded();
  STOWAGE_FAULT_POINT("layers.collect.views_removed");
  absl::Status status = views_left.status();
  for (const LayerRecord& layer : unneeded) {
    if (layer.kind == LayerKind::kStorePaths) status.Update(gc_roots_.Remove(RootHolder(layer)));
  }
  STOWAGE_FAULT_POINT("layers.collect.roots_removed");
  const absl::StatusOr<bool> profiles_left = RemoveUnneededProfiles();
  status.Update(profiles_left.status());
  STOWAGE_RETURN_IF_ERROR(status);
  files_left_ = *views_left || *profiles_left;
  return unneeded.size();
}

}  // namespace stowage
