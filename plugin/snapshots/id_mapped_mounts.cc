#include "plugin/snapshots/id_mapped_mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/mount_info.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "plugin/snapshots/id_mapped_clone.h"
#include "plugin/snapshots/user_namespace.h"

namespace stowage {
namespace {

constexpr size_t kNameLength = 16;  // short: many lower directories begin with it

std::string NameOf(const IdMapping& mapping) {
  return Sha256(absl::StrCat(mapping.uids, "\n", mapping.gids)).hex().substr(0, kNameLength);
}

// What a place shows: a directory of a file system.
struct Shown {
  std::string device;
  std::string root;
  friend bool operator==(const Shown&, const Shown&) = default;
};

bool IsAtOrBelow(absl::string_view path, absl::string_view directory) {
  return directory == "/" ||
         (absl::ConsumePrefix(&path, directory) && (path.empty() || path[0] == '/'));
}

// path: absolute, without symbolic links.
Shown ShownAt(const std::vector<MountInfo>& mounts, absl::string_view path) {
  const MountInfo* covering = nullptr;
  for (const MountInfo& mount : mounts) {
    if (IsAtOrBelow(path, mount.mountpoint) &&
        (covering == nullptr || mount.mountpoint.size() >= covering->mountpoint.size()))
      covering = &mount;
  }
  if (covering == nullptr) return {};
  if (covering->mountpoint != "/") path.remove_prefix(covering->mountpoint.size());
  if (path == "/") path = "";
  if (path.empty()) return {covering->device, covering->root};
  return {covering->device,
          absl::StrCat(covering->root == "/" ? absl::string_view() : covering->root, path)};
}

// Where a directory really is. Touches nothing below a mount point.
absl::StatusOr<std::string> RealPath(const std::string& directory) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, directory, O_PATH | O_DIRECTORY));
  return ReadLinkAt(AT_FDCWD, absl::StrCat("/proc/self/fd/", fd.get()));
}

// Until nothing is mounted there. A container that uses it has a mount of its own.
absl::Status Detach(const std::string& place) {
  while (::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno == EINVAL || errno == ENOENT) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("unmount ", place));
}

// Never more than rmdir(2): below a mount that did not go lie files of snapshots.
absl::Status RemoveEmpty(const std::string& directory) {
  if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("remove ", directory));
}

absl::Status RemoveMapping(const std::string& directory) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    const std::string place = absl::StrCat(directory, "/", name);
    STOWAGE_RETURN_IF_ERROR(Detach(place));
    STOWAGE_RETURN_IF_ERROR(RemoveEmpty(place));
  }
  return RemoveEmpty(directory);
}

}  // namespace

IdMappedMounts::Hold::~Hold() {
  if (mounts_ == nullptr) return;
  const absl::MutexLock lock(&mounts_->mutex_);
  if (--mounts_->holds_[name_] == 0) mounts_->holds_.erase(name_);
}

absl::StatusOr<std::unique_ptr<IdMappedMounts>> IdMappedMounts::Open(std::string directory,
                                                                     std::vector<Source> sources) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  STOWAGE_ASSIGN_OR_RETURN(std::string real_directory, RealPath(directory));
  return std::unique_ptr<IdMappedMounts>(
      new IdMappedMounts(std::move(directory), std::move(real_directory), std::move(sources)));
}

IdMappedMounts::Hold IdMappedMounts::HoldMapping(const IdMapping& mapping) {
  Hold hold(this, NameOf(mapping));
  const absl::MutexLock lock(&mutex_);
  ++holds_[hold.name_];
  return hold;
}

absl::Status IdMappedMounts::Ensure(const IdMapping& mapping, const Source& source) {
  const std::string below = absl::StrCat("/", NameOf(mapping), "/", source.name);
  STOWAGE_ASSIGN_OR_RETURN(const std::string real_source, RealPath(source.directory));
  STOWAGE_ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/self/mountinfo"));
  const std::vector<MountInfo> mounts = ParseMountInfo(text);
  if (ShownAt(mounts, real_directory_ + below) == ShownAt(mounts, real_source))
    return absl::OkStatus();

  const std::string place = directory_ + below;
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd user_namespace, MakeUserNamespace(mapping));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd clone,
                           CloneWithIds(source.directory, user_namespace.get()));
  STOWAGE_RETURN_IF_ERROR(Detach(place));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(place, 0700));
  if (::move_mount(clone.get(), "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("mount at ", place));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> IdMappedMounts::Map(
    const IdMapping& mapping, const std::vector<std::string>& directories) {
  const absl::MutexLock lock(&mutex_);
  std::set<const Source*> ensured;
  std::vector<std::string> mapped;
  for (const std::string& directory : directories) {
    const auto source = std::find_if(sources_.begin(), sources_.end(), [&](const Source& each) {
      return absl::StartsWith(directory, each.directory + "/");
    });
    if (source == sources_.end())
      return absl::InvalidArgumentError(
          absl::StrCat("map the ids of ", directory, ": it is no directory of a layer"));
    if (ensured.insert(&*source).second) STOWAGE_RETURN_IF_ERROR(Ensure(mapping, *source));
    mapped.push_back(absl::StrCat(directory_, "/", NameOf(mapping), "/", source->name,
                                  absl::StripPrefix(directory, source->directory)));
  }
  return mapped;
}

absl::Status IdMappedMounts::KeepOnly(
    absl::FunctionRef<absl::StatusOr<std::vector<IdMapping>>()> in_use) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<IdMapping> mappings, in_use());
  std::set<std::string> needed;
  for (const IdMapping& mapping : mappings) needed.insert(NameOf(mapping));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory_));
  absl::Status status;
  for (const std::string& name : names) {
    if (!needed.contains(name) && !holds_.contains(name))
      status.Update(RemoveMapping(absl::StrCat(directory_, "/", name)));
  }
  return status;
}

}  // namespace stowage
