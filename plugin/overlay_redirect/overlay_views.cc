#include "plugin/overlay_redirect/overlay_views.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/annotate.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/own_user_namespace.h"
#include "base/status_macros.h"
#include "plugin/overlay_redirect/detached_overlay.h"
#include "plugin/overlay_redirect/node_layers.h"
#include "plugin/overlay_redirect/redirect_probe.h"
#include "plugin/overlay_redirect/skeleton.h"
#include "plugin/overlay_redirect/view_check.h"

namespace stowage {
namespace {

constexpr absl::string_view kNewPrefix = "new-";
constexpr absl::string_view kRemovingPrefix = ".removing-";
constexpr char kFormat[] = "stowage overlay 1";

// current/generation: format, boot id, secret name; a line each.
std::string GenerationText(const std::string& boot_id, const std::string& secret_name) {
  return absl::StrCat(kFormat, "\n", boot_id, secret_name, "\n");
}

// Process ids and counters come again; what they named may still be there.
std::string RandomText() {
  thread_local absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

absl::StatusOr<std::string> BootId() { return ReadFile("/proc/sys/kernel/random/boot_id", 100); }

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("rename ", from, " to ", to));
}

bool Exists(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

// Skeletons by number in the options of overlay mounts. containerd shortens long options, and maps
// ids by clones at other places: the end of the path is the same.
absl::flat_hash_set<int64_t> MountedSkeletons(const std::vector<MountInfo>& mounts) {
  absl::flat_hash_set<int64_t> numbers;
  for (const MountInfo& mount : mounts) {
    if (mount.file_system_type != "overlay") continue;
    for (const absl::string_view option :
         absl::StrSplit(mount.super_options, absl::ByAnyChar(",:="))) {
      const std::vector<absl::string_view> parts = absl::StrSplit(option, '/');
      int64_t number;
      if (parts.size() > 2 && parts[parts.size() - 2] == "skeletons" &&
          absl::SimpleAtoi(parts.back(), &number))
        numbers.insert(number);
    }
  }
  return numbers;
}

}  // namespace

OverlayViews::OverlayViews(OverlayViewsOptions options, LowerMount lower_mount, UniqueFd store)
    : options_(std::move(options)),
      directory_(options_.state_directory + "/overlay"),
      current_(directory_ + "/current"),
      lower_mount_(std::move(lower_mount)),
      store_(std::move(store)),
      layers_{lower_mount_.Through(current_ + "/cap"), lower_mount_.Through(current_ + "/mask"),
              lower_mount_.store_parent()},
      remover_(options_.warn) {}

absl::StatusOr<std::unique_ptr<OverlayViews>> OverlayViews::Open(OverlayViewsOptions options) {
  if (InUserNamespace())
    return absl::FailedPreconditionError(
        "overlayfs follows redirects by trusted.* attributes only, which nobody can set in a user "
        "namespace");
  // Nobody but root may read the secret name, or list what is in use.
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(options.state_directory + "/overlay", 0700));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd store,
                           OpenAt(AT_FDCWD, options.store_directory, O_PATH | O_DIRECTORY));
  STOWAGE_ASSIGN_OR_RETURN(LowerMount lower_mount,
                           LowerMount::Open(options.mount_directory, options.state_directory,
                                            ParentOf(options.store_directory)));
  std::unique_ptr<OverlayViews> views(
      new OverlayViews(std::move(options), std::move(lower_mount), std::move(store)));
  STOWAGE_RETURN_IF_ERROR(views->CheckStore());
  STOWAGE_RETURN_IF_ERROR(views->RemoveLeftovers());
  STOWAGE_RETURN_IF_ERROR(ProbeRedirects(views->NewPath(), views->options_.mount_options));
  STOWAGE_RETURN_IF_ERROR(views->TakeOrMakeCurrent());
  const std::string parent = ParentOf(views->options_.store_directory);
  STOWAGE_ASSIGN_OR_RETURN(views->watch_, NameWatch::Start(
                                              parent,
                                              [mask = views->current_ + "/mask",
                                               through = views->layers().store_parent] {
                                                return HideNames(mask, through);
                                              },
                                              views->options_.warn));
  return views;
}

// Asked of the file system itself: whatever is mounted on the store is not there.
absl::Status OverlayViews::CheckStore() const {
  const std::string through =
      absl::StrCat(layers_.store_parent, "/", NameOf(options_.store_directory));
  struct stat shown = {};
  struct stat wanted = {};
  if (::stat(options_.store_directory.c_str(), &wanted) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", options_.store_directory));
  if (::stat(through.c_str(), &shown) == 0 && shown.st_dev == wanted.st_dev &&
      shown.st_ino == wanted.st_ino)
    return absl::OkStatus();
  if (::access(layers_.store_parent.c_str(), F_OK) != 0)
    return absl::FailedPreconditionError(
        absl::StrCat("nothing is mounted at ", mountpoint(), " any longer: restart stowaged"));
  return absl::FailedPreconditionError(absl::StrCat(
      options_.store_directory, " is a mount of its own, on ", ParentOf(options_.store_directory),
      ": the kernel's overlayfs sees the empty directory below it"));
}

std::string OverlayViews::NewPath() const {
  return absl::StrCat(directory_, "/", kNewPrefix, RandomText());
}

absl::Status OverlayViews::TakeAway(const std::string& path) {
  const std::string removing = absl::StrCat(directory_, "/", kRemovingPrefix, RandomText());
  STOWAGE_RETURN_IF_ERROR(Rename(path, removing));
  STOWAGE_FAULT_POINT("overlay.remove.taken_away");
  remover_.Add(removing);
  return absl::OkStatus();
}

absl::Status OverlayViews::RemoveLeftovers() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory_));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(directory_, "/", name);
    if (absl::StartsWith(name, kRemovingPrefix)) remover_.Add(path);
    // Renamed, so that this process can use the name.
    if (absl::StartsWith(name, kNewPrefix)) STOWAGE_RETURN_IF_ERROR(TakeAway(path));
  }
  return absl::OkStatus();
}

absl::Status OverlayViews::TakeOrMakeCurrent() {
  STOWAGE_ASSIGN_OR_RETURN(const std::string boot_id, BootId());
  const auto text = ReadFile(current_ + "/generation", 1000);
  if (absl::IsNotFound(text.status())) {
    // A directory without it is none of ours, or a person has emptied it.
    if (Exists(current_)) STOWAGE_RETURN_IF_ERROR(TakeAway(current_));
    return MakeCurrent(boot_id);
  }
  STOWAGE_RETURN_IF_ERROR(text.status());
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  if (lines.size() > 1 && lines[1] + "\n" != boot_id) {
    STOWAGE_RETURN_IF_ERROR(TakeAway(current_));
    return MakeCurrent(boot_id);
  }
  secret_name_ = lines.size() > 2 ? lines[2] : "";
  // Containers of this boot may use it, so it is not replaced.
  if (!IsSecretName(secret_name_) || *text != GenerationText(boot_id, secret_name_))
    return absl::FailedPreconditionError(
        absl::StrCat(current_,
                     "/generation is damaged, or of another version of Stowage: stop "
                     "this node's containers and remove ",
                     current_));
  return absl::OkStatus();
}

absl::Status OverlayViews::MakeCurrent(const std::string& boot_id) {
  STOWAGE_ASSIGN_OR_RETURN(secret_name_, MakeSecretName());
  const std::string fresh = NewPath();
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(fresh + "/skeletons"));
  STOWAGE_RETURN_IF_ERROR(WriteCap(fresh + "/cap", secret_name_));
  STOWAGE_RETURN_IF_ERROR(WriteMask(fresh + "/mask", secret_name_, layers_.store_parent,
                                    NameOf(options_.store_directory)));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, fresh + "/generation",
                                                       O_WRONLY | O_CREAT | O_EXCL, 0600));
  STOWAGE_RETURN_IF_ERROR(
      WriteAll(file.get(), GenerationText(boot_id, secret_name_), fresh + "/generation"));
  // After power loss it must say that all the rest is of another boot.
  if (::fsync(file.get()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("sync ", fresh, "/generation"));
  STOWAGE_FAULT_POINT("overlay.boot.written");
  return Rename(fresh, current_);
}

absl::StatusOr<std::string> OverlayViews::Skeleton(
    int64_t number, absl::FunctionRef<absl::StatusOr<std::vector<std::string>>()> base_names) {
  STOWAGE_RETURN_IF_ERROR(CheckStore());
  const std::string directory = absl::StrCat(current_, "/skeletons/", number);
  const auto nobody_makes_it = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !being_made_.contains(number);
  };
  {
    const absl::MutexLock lock(&mutex_, absl::Condition(&nobody_makes_it));
    if (checked_.contains(number)) return lower_mount_.Through(directory);
    being_made_.insert(number);
  }
  const auto names = base_names();
  absl::Status made = names.status();
  if (made.ok() && Exists(directory)) {
    made = CheckSkeleton(directory, *names);
    if (absl::IsDataLoss(made))
      made = absl::DataLossError(absl::StrCat(made.message(),
                                              "; it was right when it was made: stop "
                                              "the containers that show it and remove ",
                                              directory));
  } else if (made.ok()) {
    made = MakeSkeleton(directory, *names);
  }
  const absl::MutexLock lock(&mutex_);
  being_made_.erase(number);
  STOWAGE_RETURN_IF_ERROR(Annotate(made, absl::StrCat("view ", number, " of the store")));
  checked_.insert(number);
  return lower_mount_.Through(directory);
}

absl::Status OverlayViews::CheckSkeleton(const std::string& directory,
                                         const std::vector<std::string>& base_names) const {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd view,
                           MountDetachedOverlay({layers_.cap, lower_mount_.Through(directory),
                                                 layers_.mask, layers_.store_parent},
                                                options_.mount_options));
  return CheckView(view.get(), store_.get(), base_names);
}

absl::Status OverlayViews::MakeSkeleton(const std::string& directory,
                                        const std::vector<std::string>& base_names) {
  const std::string fresh = NewPath();
  absl::Cleanup remove = [&] {
    // What cannot be taken away is found at the next start.
    if (Exists(fresh)) (void)TakeAway(fresh);
  };
  STOWAGE_RETURN_IF_ERROR(WriteSkeleton(store_.get(), base_names, secret_name_, fresh));
  STOWAGE_FAULT_POINT("overlay.skeleton.written");
  STOWAGE_RETURN_IF_ERROR(CheckSkeleton(fresh, base_names));
  STOWAGE_FAULT_POINT("overlay.skeleton.checked");
  return Rename(fresh, directory);
}

absl::StatusOr<bool> OverlayViews::RemoveUnneeded(
    absl::FunctionRef<absl::StatusOr<std::vector<int64_t>>()> wanted,
    const std::vector<MountInfo>& mounts) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListDirectory(current_ + "/skeletons"));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers, wanted());
  const absl::flat_hash_set<int64_t> keep(numbers.begin(), numbers.end());
  const absl::flat_hash_set<int64_t> mounted = MountedSkeletons(mounts);
  bool left = false;
  for (const std::string& name : names) {
    int64_t number;
    const bool is_number = absl::SimpleAtoi(name, &number);
    if (is_number && keep.contains(number)) continue;
    if (is_number && mounted.contains(number)) {
      left = true;
      continue;
    }
    if (is_number) {
      const absl::MutexLock lock(&mutex_);
      checked_.erase(number);
    }
    STOWAGE_RETURN_IF_ERROR(TakeAway(absl::StrCat(current_, "/skeletons/", name)));
  }
  return left;
}

}  // namespace stowage
