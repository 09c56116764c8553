#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/mount_info.h"
#include "base/unique_fd.h"
#include "plugin/overlay_redirect/arrange_lowers.h"
#include "plugin/overlay_redirect/lower_mount.h"
#include "plugin/overlay_redirect/name_watch.h"
#include "plugin/snapshots/tree_remover.h"

namespace stowage {

struct OverlayViewsOptions {
  std::string state_directory;  // "overlay/" is made inside; on the store's file system
  std::string mount_directory;  // for the mount by which all of it is reached (LowerMount)
  std::string store_directory = "/nix/store";
  std::vector<std::string> mount_options;  // those of every overlay mount, without directories
  // Told about what went wrong without failing a call: one line each, from any thread.
  std::function<void(absl::string_view)> warn = [](absl::string_view) {};
};

// Views of the Nix store that the kernel's overlayfs shows by itself: directories for
//
//   lowerdir=<ordinary layers>:<cap>:<skeleton>:<mask>:<store parent>
//
// of which the skeleton is the view's own. Layout and reasons: docs/overlay-redirect.md.
//
// Everything below <state>/overlay/current was made since the machine was started; after a start it
// is made anew, since nothing is synced. Directories there are complete once they have their name,
// so kill -9 is survived at any instant. Thread-safe.
class OverlayViews {
 public:
  // Takes over what is there, or makes it, and tries whether the kernel, its settings and the file
  // systems of this node do. Takes 10 ms.
  // Errors: FailedPrecondition, Unimplemented or PermissionDenied with the reason why not; else the
  // system's.
  static absl::StatusOr<std::unique_ptr<OverlayViews>> Open(OverlayViewsOptions options);

  // What goes around skeletons (ArrangeLowers).
  const RedirectLayers& layers() const { return layers_; }
  // The path by which an ordinary layer has to stand beside them. path: below the state directory.
  std::string Through(absl::string_view path) const { return lower_mount_.Through(path); }
  const std::string& mountpoint() const { return lower_mount_.mountpoint(); }

  // The skeleton of a view. At the first call for a number, writes it unless an earlier process of
  // this boot has, mounts it where nobody sees it, and checks that every store path shows. What the
  // store loses later is the caller's to notice.
  //
  // number: never given to another set of paths. base_names: asked at the first call; sorted.
  // Errors: NotFound naming the first store path that is gone; DataLoss if the kernel shows
  // something else than the store has; FailedPrecondition if LowerMount was unmounted.
  absl::StatusOr<std::string> Skeleton(
      int64_t number, absl::FunctionRef<absl::StatusOr<std::vector<std::string>>()> base_names);

  // Removes skeletons that are neither wanted nor in one of the mounts; their files go in the
  // background. Returns whether some stay because they are mounted.
  // wanted: asked once the skeletons are listed, so that one made meanwhile is not missed.
  absl::StatusOr<bool> RemoveUnneeded(
      absl::FunctionRef<absl::StatusOr<std::vector<int64_t>>()> wanted,
      const std::vector<MountInfo>& mounts);

  // Waits for the background. For tests.
  void Drain() { remover_.Drain(); }

 private:
  OverlayViews(OverlayViewsOptions options, LowerMount lower_mount, UniqueFd store);
  absl::Status CheckStore() const;
  absl::Status RemoveLeftovers();
  absl::Status TakeOrMakeCurrent();
  absl::Status MakeCurrent(const std::string& boot_id);
  absl::Status MakeSkeleton(const std::string& directory,
                            const std::vector<std::string>& base_names);
  absl::Status CheckSkeleton(const std::string& directory,
                             const std::vector<std::string>& base_names) const;
  absl::Status TakeAway(const std::string& path);
  std::string NewPath() const;

  const OverlayViewsOptions options_;
  const std::string directory_;  // <state>/overlay
  const std::string current_;    // <state>/overlay/current
  const LowerMount lower_mount_;
  const UniqueFd store_;         // by its usual path: hard links are made within one mount only
  const RedirectLayers layers_;  // through the lower mount
  std::string secret_name_;
  TreeRemover remover_;
  std::unique_ptr<NameWatch> watch_;
  absl::Mutex mutex_;  // a leaf
  absl::flat_hash_set<int64_t> being_made_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<int64_t> checked_ ABSL_GUARDED_BY(mutex_);  // by this process
};

}  // namespace stowage
