#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/fuse_mount_source.h"
#include "base/unique_fd.h"
#include "plugin/images/layer_table.h"
#include "plugin/images/mount_table.h"
#include "plugin/images/promises.h"

namespace stowage {

struct FuseViewsOptions {
  std::string state_directory;  // holds objects/ and views/, which stowage-fuse reads
  std::string mountpoint;       // where stowage-fuse has mounted
  std::string store_directory = "/nix/store";
};

// True if a mount shows this view: an overlay with the view as a lower directory, by the mount of
// stowage-fuse or one with mapped ids, or a bind of it. containerd shortens long option texts to
// relative paths, so a relative path that ends in the number counts as well. Pure.
bool ShowsView(const MountInfo& mount, const FuseViewsOptions& options, int64_t view_number);

// The index files that stowage-fuse serves: one per store path, one per run of layers that is
// mounted somewhere. Thread-safe.
class FuseViews {
 public:
  // Makes the directories; removes unfinished files there and in the state directory. When the
  // machine has been started anew since the files were written they are dropped: they are not
  // synced one by one, and no mount has survived. When another version of Stowage wrote them, they
  // are written again under the same numbers.
  static absl::StatusOr<std::unique_ptr<FuseViews>> Open(const FuseViewsOptions& options,
                                                         LayerTable& layers);

  // Writes the index of every object that has none and is not promised. Time: proportional to what
  // is missing, plus one access(2) per object.
  absl::Status IndexObjects(absl::Span<const ObjectRecord> objects);

  // Shows objects whose store paths are not there: who looks into one waits until the promise is
  // kept. What was written of them goes.
  absl::Status Promise(absl::Span<const int64_t> objects);
  // The object's store path is there, whole and with the recorded narHash.
  absl::Status KeepPromise(const ObjectRecord& object);
  const Promises& promises() const { return *promises_; }

  // The directory of the FUSE mount that shows a run of store-path layers (base first). Writes the
  // view if it is not there. Errors: FailedPrecondition if stowage-fuse has not mounted; NotFound
  // if a store path is gone.
  absl::StatusOr<std::string> Directory(absl::Span<const LayerRecord> run);

  // The same without asking whether stowage-fuse is there: for the time before anything is mounted.
  absl::Status Write(absl::Span<const LayerRecord> run);

  // The number of the view of a run; given out at the first call, and to no other run ever.
  absl::StatusOr<int64_t> Number(absl::Span<const LayerRecord> run);

  // Removes views of layers without roots that no mount uses, and index files that nothing needs.
  // No layer may be recorded meanwhile.
  // Returns whether some stay because they are mounted.
  absl::StatusOr<bool> RemoveUnneeded();

  // True if the options of some mount on this node contain `name`, a text that occurs in no other
  // place.
  absl::StatusOr<bool> MountsName(const std::string& name);
  absl::StatusOr<std::vector<MountInfo>> Mounts() { return mounts_.Entries(); }
  absl::StatusOr<bool> Mounted() { return mounts_.IsMountedAs(options_.mountpoint, "fuse"); }
  // Errors: the errno's.
  absl::StatusOr<FuseMountSettings> MountSettings();
  const std::string& mountpoint() const { return options_.mountpoint; }

 private:
  FuseViews(const FuseViewsOptions& options, LayerTable& layers, MountTable mounts, UniqueFd store,
            std::unique_ptr<Promises> promises)
      : options_(options),
        layers_(layers),
        mounts_(std::move(mounts)),
        store_(std::move(store)),
        promises_(std::move(promises)) {}
  absl::Status WriteAgain();
  absl::Status WriteObject(const ObjectRecord& object);
  absl::Status WriteViewFile(int64_t number, absl::Span<const ObjectRecord> objects);
  std::string ObjectFile(int64_t number) const;
  std::string ViewFile(int64_t number) const;
  absl::StatusOr<int64_t> EnsureView(absl::Span<const LayerRecord> run);
  absl::StatusOr<int64_t> MakeView(const Digest& key, absl::Span<const LayerRecord> run);
  absl::StatusOr<bool> InUse(int64_t view_number);
  absl::Status RemoveUnneededPromises();

  const FuseViewsOptions options_;
  LayerTable& layers_;
  MountTable mounts_;
  const UniqueFd store_;
  const std::unique_ptr<Promises> promises_;
  absl::Mutex promising_;  // shared by those who keep promises
  absl::Mutex mutex_;
  // Views known to be written, so that a mount costs one look-up however many layers there are.
  absl::flat_hash_map<Digest, int64_t> written_ ABSL_GUARDED_BY(mutex_);
  // Views that some call is writing: after a reboot, many containers of one image want the same one
  // at once.
  absl::flat_hash_set<Digest> being_written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
