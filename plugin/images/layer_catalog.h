#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/removal_watch.h"
#include "layering/layer_archive.h"
#include "nix/gc_roots.h"
#include "plugin/images/expected_trees.h"
#include "plugin/images/fuse_views.h"
#include "plugin/images/layer_table.h"
#include "plugin/images/store_check.h"
#include "plugin/images/view_drivers.h"
#include "plugin/snapshots/remote_layers.h"

namespace stowage {

struct LayerCatalogOptions {
  std::string state_directory;
  std::string gc_roots_directory;
  std::string fuse_mountpoint;
  std::string store_directory = "/nix/store";
  DriverChoice driver = DriverChoice::kFuse;
  std::string overlay_directory;                     // OverlayViewsOptions::mount_directory
  std::vector<std::string> overlay_mount_options{};  // those of every overlay mount
  // Told about what went wrong without failing a call: one line each, from any thread.
  std::function<void(absl::string_view)> warn = [](absl::string_view) {};
};

// The layers of this node: what they hold, what keeps them alive, how they are shown and read.
// Thread-safe.
class LayerCatalog : public RemoteLayers {
 public:
  // Restores the catalog and brings GC roots and the database to the same state, in both
  // directions: roots that no layer claims go, layers whose roots are gone lose the claim.
  static absl::StatusOr<std::unique_ptr<LayerCatalog>> Open(const LayerCatalogOptions& options);

  LayerTable& table() { return *table_; }
  FuseViews& views() { return *views_; }
  ViewDrivers& drivers() { return *drivers_; }
  StoreCheck& store_check() { return store_check_; }
  GcRoots& gc_roots() { return gc_roots_; }
  const ExpectedTrees& expected_trees() const { return expected_trees_; }
  const std::string& store_directory() const { return options_.store_directory; }
  std::string ProfileDirectory(const LayerRecord& profile) const;
  // A name for a directory that is used while collecting() is held, and removed at the latest when
  // it is not. unique: among those of this process and others that are not there any longer.
  std::string NewProfileDirectory(absl::string_view unique) const;
  // Makes the directory again if it has gone. Errors: NotFound if it was not recorded.
  absl::Status RestoreProfile(const LayerRecord& profile) const;

  // Held (shared) from the moment that layers are recorded until something holds them, so that
  // Collect keeps away.
  absl::Mutex& collecting() ABSL_LOCK_RETURNED(collecting_) { return collecting_; }

  // Makes the GC roots of a layer. The store paths must be held by something else meanwhile.
  // top_paths: those store paths of the layer that no other path of it refers to.
  absl::Status Root(const LayerRecord& layer, absl::Span<const StorePath> top_paths);

  // The same without saying that the layer is held; paths that are not valid yet are rooted from
  // the moment on when they are.
  absl::Status AddRoots(const LayerRecord& layer, absl::Span<const StorePath> paths);

  // Whether nothing need be rooted: not if the roots of a held layer were lost and could not be
  // made again so far.
  bool HasRoots(const LayerRecord& layer);

  // Whether a store path that has come is as a provisional image that is held was told. Errors:
  // DataLoss if it is not.
  absl::Status CheckListing(const ObjectRecord& object);

  // All store paths of the layers are there, whole and with the recorded narHashes, and looked at.
  absl::Status KeepPromises(absl::Span<const int64_t> layers);

  // Errors: NotFound naming the first store path or profile that is gone, which promised ones may
  // be; DataLoss naming a file of a store path that is known to be changed; Unavailable if GC roots
  // are missing (HasRoots).
  absl::Status CheckPresent(absl::Span<const int64_t> layers);
  // The same, and Unavailable if a store path is promised or a layer was not hashed here: for
  // whoever needs every byte.
  absl::Status CheckComplete(absl::Span<const int64_t> layers);
  absl::Status CheckNonePromised(absl::Span<const int64_t> layers);
  // Errors: Unavailable naming a layer whose diff_id is another Stowage's word.
  absl::Status CheckHashed(absl::Span<const int64_t> layers);

  // OK if the tar of the layer can be had by everybody. Errors: NotFound if nothing holds it, or it
  // is provisional; Unavailable as CheckComplete.
  absl::Status CheckServed(const LayerRecord& layer);

  // A layer that another Stowage has recorded was hashed here: LayerTable::SettleRecord, and the
  // log. For any other layer that is OK or DataLoss.
  absl::Status Hashed(const LayerRecord& layer, const LayerDigest& digest);
  // What was found wrong until this process ends, for people; the last 100 at most.
  void TellWrongRecord(std::string what);
  std::vector<std::string> wrong_records();

  // The tar of a layer. Recently used ones are kept open. Errors: NotFound if the layer is unknown
  // or provisional or its paths are gone; Unavailable if some are promised.
  absl::StatusOr<std::shared_ptr<const LayerArchive>> Archive(const Digest& diff_id);

  // RemoteLayers:
  absl::StatusOr<std::vector<int64_t>> FindChain(
      const Digest& chain_id, const std::optional<Digest>& parent_chain_id) override;
  std::vector<ViewDriver> Drivers() override { return drivers_->ForNewSnapshots(); }
  absl::StatusOr<std::vector<LowerDirectory>> LowerDirectories(absl::Span<const int64_t> layers,
                                                               ViewDriver driver) override;
  absl::StatusOr<std::vector<std::string>> ArrangeForOverlay(
      std::vector<LowerDirectory> directories) override {
    return drivers_->ArrangeForOverlay(std::move(directories));
  }
  void SnapshotsRemoved() override;

  // Called (on any thread) when objects were promised; `first`: those to fetch before others.
  void OnPromised(std::function<void(std::vector<int64_t> first)> fetch) {
    fetch_ = std::move(fetch);
  }
  void Promised(std::vector<int64_t> first);

  // Called (on any thread) when something may be collectable.
  void OnSnapshotsRemoved(std::function<void()> wake) { wake_ = std::move(wake); }

  // Drops the roots of layers that nothing holds, and the files that only they needed. Returns how
  // many layers.
  absl::StatusOr<size_t> Collect(absl::Time now);

 private:
  LayerCatalog(LayerCatalogOptions options, std::unique_ptr<LayerTable> table,
               std::unique_ptr<FuseViews> views, std::unique_ptr<ViewDrivers> drivers,
               ExpectedTrees expected_trees)
      : options_(std::move(options)),
        table_(std::move(table)),
        views_(std::move(views)),
        drivers_(std::move(drivers)),
        expected_trees_(std::move(expected_trees)),
        gc_roots_(options_.gc_roots_directory),
        store_check_(options_.store_directory, table_.get(), options_.warn) {}
  absl::Status ReconcileRoots();
  // Errors: as CheckPresent, which looks at the claims too. Looks at each store path once, and
  // again only when something was removed from the store; has what is below it looked at later.
  absl::Status CheckFiles(absl::Span<const LayerRecord> records);
  absl::Status CheckPathsExist(absl::Span<const LayerRecord> records);
  absl::StatusOr<std::vector<LayerRecord>> WithoutPromised(absl::Span<const LayerRecord> records);
  absl::Status CheckStorePaths(absl::Span<const int64_t> layers);
  // Those of the layers that may have lost store paths since they were checked. removals: what
  // removals_ counts now.
  std::vector<int64_t> NotChecked(absl::Span<const LayerRecord> records, uint64_t removals);
  // Errors: NotFound if the layer has lost a store path for good; others may pass.
  absl::Status RootAgain(const LayerRecord& layer);
  void AddWrongRecord(std::string what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(wrong_records_mutex_);
  void RootUnrooted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(collecting_);
  // Whether nothing is left to do about it.
  bool RootUnrooted(int64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(collecting_);
  absl::StatusOr<size_t> CollectLayers(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(collecting_);
  absl::StatusOr<bool> RemoveUnneededProfiles();

  const LayerCatalogOptions options_;
  const std::unique_ptr<LayerTable> table_;
  const std::unique_ptr<FuseViews> views_;
  const std::unique_ptr<ViewDrivers> drivers_;  // uses the two above
  const ExpectedTrees expected_trees_;
  GcRoots gc_roots_;
  StoreCheck store_check_;  // uses the table
  std::function<void()> wake_;
  std::function<void(std::vector<int64_t>)> fetch_;
  absl::Mutex collecting_;
  // A clean-up was interrupted, or something was still mounted; at first, unknown.
  bool files_left_ ABSL_GUARDED_BY(collecting_) = true;
  // None if the kernel had no inotify instance left: each call then checks everything.
  std::optional<RemovalWatch> removals_;
  absl::Mutex mutex_;
  // Held layers that have no roots, because of errors that may pass. The snapshots that have them
  // go on; nothing new is made of them.
  absl::flat_hash_set<int64_t> unrooted_ ABSL_GUARDED_BY(mutex_);
  // Layers whose store paths were all there when removals_ counted checked_at_.
  absl::flat_hash_set<int64_t> checked_ ABSL_GUARDED_BY(mutex_);
  uint64_t checked_at_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Mutex wrong_records_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::deque<std::string> wrong_records_ ABSL_GUARDED_BY(wrong_records_mutex_);
  // Most recently used last.
  std::vector<std::pair<Digest, std::shared_ptr<const LayerArchive>>> archives_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
