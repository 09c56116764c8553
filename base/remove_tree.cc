#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

// Goes down by openat and up by "..", with one descriptor and no recursion: a container can leave
// a tree deeper than any stack or table of descriptors.
class TreeRemoval {
 public:
  TreeRemoval(std::string shown, dev_t device, absl::FunctionRef<bool()> stop)
      : shown_(std::move(shown)), device_(device), stop_(stop) {}

  // Removes `name`, a file or a tree, from the directory `parent`.
  absl::Status Run(UniqueFd parent, std::string name) {
    current_ = std::move(parent);
    STOWAGE_ASSIGN_OR_RETURN(const bool is_directory, RemoveFile(name));
    if (!is_directory) return absl::OkStatus();
    STOWAGE_RETURN_IF_ERROR(Enter(std::move(name)));
    while (!levels_.empty()) {
      if (levels_.back().subdirectories.empty()) {
        STOWAGE_RETURN_IF_ERROR(Leave());
      } else {
        std::string child = std::move(levels_.back().subdirectories.back());
        levels_.back().subdirectories.pop_back();
        STOWAGE_RETURN_IF_ERROR(Enter(std::move(child)));
      }
    }
    return absl::OkStatus();
  }

 private:
  struct Level {
    std::string name;
    dev_t parent_device;
    ino_t parent_inode;
    std::vector<std::string> subdirectories;  // still to be removed
  };

  absl::Status Failed(absl::string_view what, absl::string_view name) const {
    return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", name, " in ", shown_));
  }

  absl::Status CheckGoesOn() const {
    if (!stop_()) return absl::OkStatus();
    return absl::CancelledError(absl::StrCat("remove ", shown_, ": stopped before its end"));
  }

  // False: `name` in the current directory is gone. True: it is a directory.
  absl::StatusOr<bool> RemoveFile(const std::string& name) {
    STOWAGE_RETURN_IF_ERROR(CheckGoesOn());
    if (::unlinkat(current_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return false;
    // Linux says EISDIR, POSIX and some file systems EPERM.
    if (errno != EISDIR && errno != EPERM) return Failed("remove", name);
    const int unlink_error = errno;
    struct stat status;
    if (::fstatat(current_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? absl::StatusOr<bool>(false) : Failed("stat", name);
    if (S_ISDIR(status.st_mode)) return true;
    errno = unlink_error;
    return Failed("remove", name);
  }

  // Trees like the store have no write permission, and overlayfs's work directory none at all;
  // without them only root could empty a directory. Never by name: it may have become a link.
  absl::StatusOr<UniqueFd> OpenForRemoval(const std::string& name) {
    STOWAGE_ASSIGN_OR_RETURN(const UniqueFd handle,
                             OpenAt(current_.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    struct stat status;
    if (::fstat(handle.get(), &status) != 0) return Failed("stat", name);
    if ((status.st_mode & 0700) != 0700)
      (void)::chmod(absl::StrCat("/proc/self/fd/", handle.get()).c_str(), 0700);
    return OpenAt(handle.get(), ".", kOpenFlags);
  }

  absl::Status Enter(std::string name) {
    struct stat parent;
    struct stat status;
    if (::fstat(current_.get(), &parent) != 0) return Failed("stat the parent of", name);
    if (::fstatat(current_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? absl::OkStatus() : Failed("stat", name);
    if (status.st_dev != device_)
      return absl::FailedPreconditionError(
          absl::StrCat("remove ", name, " in ", shown_, ": something is mounted there"));
    STOWAGE_ASSIGN_OR_RETURN(current_, OpenForRemoval(name));
    Level level{std::move(name), parent.st_dev, parent.st_ino, {}};
    STOWAGE_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(current_.get(), shown_));
    for (std::string& entry : names) {
      STOWAGE_ASSIGN_OR_RETURN(const bool is_directory, RemoveFile(entry));
      if (is_directory) level.subdirectories.push_back(std::move(entry));
    }
    STOWAGE_FAULT_POINT("tree.remove.files_removed");
    levels_.push_back(std::move(level));
    return absl::OkStatus();
  }

  absl::Status Leave() {
    STOWAGE_RETURN_IF_ERROR(CheckGoesOn());
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    STOWAGE_ASSIGN_OR_RETURN(current_, OpenAt(current_.get(), "..", kOpenFlags));
    struct stat parent;
    if (::fstat(current_.get(), &parent) != 0) return Failed("stat the parent of", level.name);
    // A directory that somebody moved has another parent, where nothing is ours to delete.
    if (parent.st_dev != level.parent_device || parent.st_ino != level.parent_inode)
      return absl::AbortedError(
          absl::StrCat("remove ", level.name, " in ", shown_, ": it was moved meanwhile"));
    if (::unlinkat(current_.get(), level.name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      return Failed("remove", level.name);
    STOWAGE_FAULT_POINT("tree.remove.directory_removed");
    return absl::OkStatus();
  }

  const std::string shown_;
  const dev_t device_;
  const absl::FunctionRef<bool()> stop_;
  UniqueFd current_;
  std::vector<Level> levels_;
};

}  // namespace

absl::Status RemoveTree(const std::string& path) {
  return RemoveTree(path, [] { return false; });
}

absl::Status RemoveTree(const std::string& path, absl::FunctionRef<bool()> stop) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const std::filesystem::path split(trimmed);
  const std::string parent = split.parent_path().empty() ? "." : split.parent_path().string();
  absl::StatusOr<UniqueFd> parent_fd = OpenAt(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(parent_fd.status())) return absl::OkStatus();
  if (!parent_fd.ok()) return parent_fd.status();
  struct stat status;
  if (::fstat(parent_fd->get(), &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", parent));
  return TreeRemoval(path, status.st_dev, stop)
      .Run(*std::move(parent_fd), split.filename().string());
}

}  // namespace stowage
