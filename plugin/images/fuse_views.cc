#include "plugin/images/fuse_views.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/annotate.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "fuse/index_format.h"
#include "fuse/index_writer.h"
#include "plugin/images/cache_key.h"
#include "plugin/snapshots/id_mapped_directory.h"

namespace stowage {
namespace {

// In a file beside the index files: the boot and the format that they were written in.
absl::StatusOr<std::string> BootId() { return ReadFile("/proc/sys/kernel/random/boot_id", 100); }

std::string Stamp(absl::string_view boot_id) {
  return absl::StrCat(boot_id, "index version ", kIndexVersion, "\n");
}

absl::Status DropIndexes(const std::string& state_directory) {
  STOWAGE_RETURN_IF_ERROR(RemoveTree(state_directory + "/objects"));
  STOWAGE_FAULT_POINT("views.boot.objects_removed");
  STOWAGE_RETURN_IF_ERROR(RemoveTree(state_directory + "/views"));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(state_directory + "/objects"));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(state_directory + "/views"));
  STOWAGE_FAULT_POINT("views.boot.emptied");
  return absl::OkStatus();
}

// By what the layers hold, not by their diff_ids: those can be another Stowage's word.
Digest ViewKey(absl::Span<const LayerRecord> run) {
  std::vector<std::string> texts = {"stowage view 2"};
  for (const LayerRecord& layer : run) texts.push_back(layer.content_key.ToString());
  return DelimitedDigest(texts);
}

std::vector<int64_t> IdsOf(absl::Span<const LayerRecord> run) {
  std::vector<int64_t> ids;
  for (const LayerRecord& layer : run) ids.push_back(layer.id);
  return ids;
}

// True if `path` is the view below a mount with mapped ids: <directory>/<mapping>/fuse/<number>.
bool ShowsMapped(absl::string_view path, absl::string_view id_mapped_directory,
                 absl::string_view last) {
  return absl::StartsWith(path, absl::StrCat(id_mapped_directory, "/")) &&
         absl::EndsWith(path, absl::StrCat("/", kIdMappedFuseName, last));
}

// Removes the files of a directory whose names are not among the numbers that needed() returns.
// They are listed before it is asked: whoever makes a file meanwhile has written down its need
// before.
absl::Status RemoveUnneededFiles(const std::string& directory,
                                 absl::FunctionRef<absl::StatusOr<std::vector<int64_t>>()> needed) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListDirectory(directory));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers, needed());
  const absl::flat_hash_set<int64_t> keep(numbers.begin(), numbers.end());
  for (const std::string& file : files) {
    // Somebody may be writing it. What nobody finishes goes at the next start.
    if (IsUnfinishedFile(file)) continue;
    int64_t number;
    if (absl::SimpleAtoi(file, &number) && keep.contains(number)) continue;
    STOWAGE_RETURN_IF_ERROR(RemoveTree(absl::StrCat(directory, "/", file)));
  }
  return absl::OkStatus();
}

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

bool ShowsView(const MountInfo& entry, const FuseViewsOptions& options, int64_t view_number) {
  const std::string last = absl::StrCat("/", view_number);
  if (absl::StartsWith(entry.file_system_type, "fuse"))
    return entry.root == last && entry.mountpoint != options.mountpoint;
  const std::string id_mapped = IdMappedDirectory(options.state_directory);
  if (entry.file_system_type != "overlay") return false;
  for (absl::string_view option : absl::StrSplit(entry.super_options, absl::ByAnyChar(",:="))) {
    if (option == options.mountpoint + last || ShowsMapped(option, id_mapped, last)) return true;
    if (!option.empty() && option[0] != '/' && absl::EndsWith(absl::StrCat("/", option), last))
      return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<FuseViews>> FuseViews::Open(const FuseViewsOptions& options,
                                                           LayerTable& layers) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(options.state_directory + "/objects"));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(options.state_directory + "/views"));
  for (const char* directory : {"", "/objects", "/views"})
    STOWAGE_RETURN_IF_ERROR(RemoveUnfinishedFiles(options.state_directory + directory));
  STOWAGE_ASSIGN_OR_RETURN(const std::string boot_id, BootId());
  const std::string stamp_path = options.state_directory + "/boot_id";
  const std::string found = ReadFile(stamp_path, 200).value_or("");
  const bool of_this_boot = absl::StartsWith(found, boot_id);
  if (!of_this_boot) STOWAGE_RETURN_IF_ERROR(DropIndexes(options.state_directory));
  STOWAGE_ASSIGN_OR_RETURN(MountTable mounts, MountTable::Open());
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd store,
                           OpenAt(AT_FDCWD, options.store_directory, O_PATH | O_DIRECTORY));
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<Promises> promises,
                           Promises::Open(options.state_directory));
  std::unique_ptr<FuseViews> views(
      new FuseViews(options, layers, std::move(mounts), std::move(store), std::move(promises)));
  const std::string stamp = Stamp(boot_id);
  if (found == stamp) return views;
  if (of_this_boot)
    STOWAGE_RETURN_IF_ERROR(
        Annotate(views->WriteAgain(), "write the index files again, in this version's format"));
  STOWAGE_RETURN_IF_ERROR(WriteFileAtomically(stamp_path, stamp));
  return views;
}

// Containers may have them mapped, and keep what they have mapped.
absl::Status FuseViews::WriteAgain() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> views, layers_.Views());
  absl::flat_hash_set<int64_t> written;
  for (const int64_t view : views) {
    if (!Exists(ViewFile(view))) continue;
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, layers_.ViewLayers(view));
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, layers_.Objects(layers));
    std::vector<const ObjectRecord*> unwritten;
    for (const ObjectRecord& object : objects)
      if (!promises_->Contains(object.number) && written.insert(object.number).second)
        unwritten.push_back(&object);
    const absl::Status indexed = ParallelFor(unwritten.size(), AvailableCpus(), [&](size_t i) {
      const absl::Status status = WriteObject(*unwritten[i]);
      // A store path that is gone has nothing to show, in whatever format.
      return absl::IsNotFound(status) ? absl::OkStatus() : status;
    });
    STOWAGE_RETURN_IF_ERROR(indexed);
    STOWAGE_RETURN_IF_ERROR(WriteViewFile(view, objects));
  }
  // What no view shows is written when one does.
  return RemoveUnneededFiles(options_.state_directory + "/objects", [&written] {
    return std::vector<int64_t>(written.begin(), written.end());
  });
}

std::string FuseViews::ObjectFile(int64_t number) const {
  return absl::StrCat(options_.state_directory, "/objects/", number);
}

std::string FuseViews::ViewFile(int64_t number) const {
  return absl::StrCat(options_.state_directory, "/views/", number);
}

absl::Status FuseViews::IndexObjects(absl::Span<const ObjectRecord> objects) {
  std::vector<const ObjectRecord*> missing;
  for (const ObjectRecord& object : objects) {
    if (!promises_->Contains(object.number) && !Exists(ObjectFile(object.number)))
      missing.push_back(&object);
  }
  return ParallelFor(missing.size(), AvailableCpus(),
                     [&](size_t i) { return WriteObject(*missing[i]); });
}

absl::Status FuseViews::Promise(absl::Span<const int64_t> objects) {
  const absl::WriterMutexLock lock(&promising_);
  std::vector<int64_t> added;
  for (const int64_t object : objects)
    if (!promises_->Contains(object)) added.push_back(object);
  STOWAGE_RETURN_IF_ERROR(promises_->Make(added));
  STOWAGE_FAULT_POINT("views.promise.made");
  // Of all, not only those added: a call that died here has left files of promised objects.
  for (const int64_t object : objects) STOWAGE_RETURN_IF_ERROR(RemoveTree(ObjectFile(object)));
  return absl::OkStatus();
}

absl::Status FuseViews::KeepPromise(const ObjectRecord& object) {
  const absl::ReaderMutexLock lock(&promising_);
  if (!Exists(ObjectFile(object.number))) STOWAGE_RETURN_IF_ERROR(WriteObject(object));
  STOWAGE_FAULT_POINT("views.promise.indexed");
  return promises_->Remove(object.number);
}

absl::Status FuseViews::WriteObject(const ObjectRecord& object) {
  return Annotate(WriteObjectIndex(store_.get(), object.base_name,
                                   static_cast<uint64_t>(object.number), ObjectFile(object.number))
                      .status(),
                  absl::StrCat("index ", options_.store_directory, "/", object.base_name));
}

absl::Status FuseViews::WriteViewFile(int64_t number, absl::Span<const ObjectRecord> objects) {
  std::vector<ViewSlot> slots;
  slots.reserve(objects.size());
  for (const ObjectRecord& object : objects)
    slots.push_back({object.base_name, static_cast<uint64_t>(object.number)});
  return Annotate(WriteView(static_cast<uint64_t>(number), slots, ViewFile(number)),
                  "write a view for stowage-fuse");
}

absl::StatusOr<int64_t> FuseViews::EnsureView(absl::Span<const LayerRecord> run) {
  const Digest key = ViewKey(run);
  const auto nobody_writes_it = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !being_written_.contains(key);
  };
  {
    const absl::MutexLock lock(&mutex_, absl::Condition(&nobody_writes_it));
    if (const auto found = written_.find(key); found != written_.end()) return found->second;
    being_written_.insert(key);
  }
  const absl::StatusOr<int64_t> number = MakeView(key, run);
  const absl::MutexLock lock(&mutex_);
  being_written_.erase(key);
  if (number.ok()) written_[key] = *number;
  return number;
}

absl::StatusOr<int64_t> FuseViews::MakeView(const Digest& key, absl::Span<const LayerRecord> run) {
  STOWAGE_ASSIGN_OR_RETURN(const int64_t number, layers_.ViewNumber(key, IdsOf(run)));
  STOWAGE_FAULT_POINT("views.make.numbered");
  if (Exists(ViewFile(number))) return number;
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, layers_.Objects(IdsOf(run)));
  STOWAGE_RETURN_IF_ERROR(IndexObjects(objects));
  STOWAGE_FAULT_POINT("views.make.indexed");
  STOWAGE_RETURN_IF_ERROR(WriteViewFile(number, objects));
  return number;
}

absl::StatusOr<int64_t> FuseViews::Number(absl::Span<const LayerRecord> run) {
  return layers_.ViewNumber(ViewKey(run), IdsOf(run));
}

absl::Status FuseViews::Write(absl::Span<const LayerRecord> run) {
  return EnsureView(run).status();
}

absl::StatusOr<std::string> FuseViews::Directory(absl::Span<const LayerRecord> run) {
  STOWAGE_ASSIGN_OR_RETURN(const bool mounted, Mounted());
  if (!mounted)
    return absl::FailedPreconditionError(
        absl::StrCat("stowage-fuse has nothing mounted at ", options_.mountpoint,
                     " in the mount namespace of stowaged: start it with 'stowage-fuse --state ",
                     options_.state_directory, " --mountpoint ", options_.mountpoint, "'"));
  STOWAGE_ASSIGN_OR_RETURN(const int64_t number, EnsureView(run));
  return absl::StrCat(options_.mountpoint, "/", number);
}

absl::StatusOr<FuseMountSettings> FuseViews::MountSettings() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> entries, mounts_.Entries());
  return FuseMountSettingsAt(entries, options_.mountpoint);
}

absl::StatusOr<bool> FuseViews::InUse(int64_t view_number) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> entries, mounts_.Entries());
  for (const MountInfo& entry : entries) {
    if (ShowsView(entry, options_, view_number)) return true;
  }
  return false;
}

absl::StatusOr<bool> FuseViews::MountsName(const std::string& name) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<MountInfo> mounts, mounts_.Entries());
  return std::any_of(mounts.begin(), mounts.end(), [&](const MountInfo& mount) {
    return absl::StrContains(mount.super_options, name) || absl::StrContains(mount.root, name);
  });
}

absl::Status FuseViews::RemoveUnneededPromises() {
  const std::vector<int64_t> promised = promises_->All();
  if (promised.empty()) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> needed, layers_.NeededObjects());
  const absl::flat_hash_set<int64_t> keep(needed.begin(), needed.end());
  for (const int64_t object : promised)
    if (!keep.contains(object)) STOWAGE_RETURN_IF_ERROR(promises_->Remove(object));
  return absl::OkStatus();
}

absl::StatusOr<bool> FuseViews::RemoveUnneeded() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> views, layers_.UnneededViews());
  bool left = false;
  for (const int64_t view : views) {
    STOWAGE_ASSIGN_OR_RETURN(const bool in_use, InUse(view));
    left |= in_use;
    if (in_use) continue;
    {
      const absl::MutexLock lock(&mutex_);
      absl::erase_if(written_, [view](const auto& entry) { return entry.second == view; });
    }
    // The row goes first: the number is never given out again, and the file goes below.
    STOWAGE_RETURN_IF_ERROR(layers_.ForgetView(view));
    STOWAGE_FAULT_POINT("views.remove.forgotten");
  }
  STOWAGE_RETURN_IF_ERROR(
      RemoveUnneededFiles(options_.state_directory + "/views", [this] { return layers_.Views(); }));
  STOWAGE_FAULT_POINT("views.remove.views_removed");
  STOWAGE_RETURN_IF_ERROR(RemoveUnneededFiles(options_.state_directory + "/objects",
                                              [this] { return layers_.NeededObjects(); }));
  STOWAGE_RETURN_IF_ERROR(RemoveUnneededPromises());
  return left;
}

}  // namespace stowage
