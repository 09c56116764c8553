#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "layering/profile.h"

namespace stowage {
namespace {

constexpr mode_t kTopMode = 0755;

absl::Status Failed(absl::string_view action, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(action, " ", path));
}

absl::Status SetTime(int directory_fd, const std::string& path) {
  constexpr timespec kTimes[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  if (::utimensat(directory_fd, path.c_str(), kTimes, AT_SYMLINK_NOFOLLOW) != 0)
    return Failed("set the time of", path);
  return absl::OkStatus();
}

absl::Status WriteFileEntry(int top_fd, const ProfileEntry& entry) {
  STOWAGE_ASSIGN_OR_RETURN(
      const UniqueFd fd,
      OpenAt(top_fd, entry.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  STOWAGE_RETURN_IF_ERROR(WriteAll(fd.get(), entry.content, entry.path));
  if (::fchmod(fd.get(), entry.mode) != 0) return Failed("set the mode of", entry.path);
  STOWAGE_RETURN_IF_ERROR(SetTime(top_fd, entry.path));
  if (::fsync(fd.get()) != 0) return Failed("sync", entry.path);
  return absl::OkStatus();
}

absl::Status MakeEntry(int top_fd, const ProfileEntry& entry) {
  switch (entry.type) {
    case ProfileEntry::Type::kDirectory:
      if (::mkdirat(top_fd, entry.path.c_str(), 0700) != 0)
        return Failed("create directory", entry.path);
      return absl::OkStatus();
    case ProfileEntry::Type::kSymlink:
      if (::symlinkat(entry.content.c_str(), top_fd, entry.path.c_str()) != 0)
        return Failed("create link", entry.path);
      return SetTime(top_fd, entry.path);
    case ProfileEntry::Type::kFile:
      break;
  }
  return WriteFileEntry(top_fd, entry);
}

// Once everything is in it, since new names change its time.
absl::Status FinishDirectory(int top_fd, const std::string& path, mode_t mode) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd,
                           OpenAt(top_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::fchmod(fd.get(), mode) != 0) return Failed("set the mode of", path);
  STOWAGE_RETURN_IF_ERROR(SetTime(top_fd, path));
  if (::fsync(fd.get()) != 0) return Failed("sync", path);
  return absl::OkStatus();
}

absl::Status Fill(const std::string& top, const Profile& profile) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd top_fd, OpenAt(AT_FDCWD, top, O_RDONLY | O_DIRECTORY));
  for (const ProfileEntry& entry : profile.entries)
    STOWAGE_RETURN_IF_ERROR(MakeEntry(top_fd.get(), entry));
  for (auto entry = profile.entries.rbegin(); entry != profile.entries.rend(); ++entry) {
    if (entry->type == ProfileEntry::Type::kDirectory)
      STOWAGE_RETURN_IF_ERROR(FinishDirectory(top_fd.get(), entry->path, entry->mode));
  }
  return FinishDirectory(top_fd.get(), ".", kTopMode);
}

absl::Status RenameToNew(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
    return absl::OkStatus();
  return Failed(absl::StrCat("rename ", from, " to"), to);
}

}  // namespace

absl::Status WriteProfile(const Profile& profile, const std::string& directory) {
  std::string temporary = absl::StrCat(directory, ".tmp-XXXXXX");
  if (::mkdtemp(temporary.data()) == nullptr)
    return Failed("create a temporary directory for", directory);
  absl::Status status = Fill(temporary, profile);
  STOWAGE_FAULT_POINT("profile.write.filled");
  if (status.ok()) status = RenameToNew(temporary, directory);
  if (!status.ok()) {
    (void)RemoveTree(temporary);  // best effort: the first error is the one to report
    return Annotate(status, absl::StrCat("write the profile ", directory));
  }
  STOWAGE_FAULT_POINT("profile.write.renamed");
  const std::string parent = std::filesystem::path(directory).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace stowage
