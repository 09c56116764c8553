#include "base/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

struct CloseDir {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};

absl::Status RemoveAt(int parent_fd, const std::string& name, dev_t device,
                      const std::string& shown);

absl::Status RemoveContents(int directory_fd, dev_t device, const std::string& shown) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListDirectory(directory_fd, shown));
  for (const std::string& name : names)
    STOWAGE_RETURN_IF_ERROR(RemoveAt(directory_fd, name, device, absl::StrCat(shown, "/", name)));
  return absl::OkStatus();
}

absl::Status RemoveAt(int parent_fd, const std::string& name, dev_t device,
                      const std::string& shown) {
  struct stat status;
  if (::fstatat(parent_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", shown));
  }
  const bool is_directory = S_ISDIR(status.st_mode);
  if (is_directory) {
    if (status.st_dev != device)
      return absl::FailedPreconditionError(
          absl::StrCat("remove ", shown, ": something is mounted there"));
    STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd,
                             OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    // Store-like trees have no write permission; without it only root could empty them.
    if ((status.st_mode & 0300) != 0300) (void)::fchmod(fd.get(), 0700);
    STOWAGE_RETURN_IF_ERROR(RemoveContents(fd.get(), device, shown));
  }
  if (::unlinkat(parent_fd, name.c_str(), is_directory ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
    return absl::ErrnoToStatus(errno, absl::StrCat("remove ", shown));
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
  if (errno == EEXIST) {
    if (DirectoryExists(path)) return absl::OkStatus();
    return absl::ErrnoToStatus(ENOTDIR, absl::StrCat("create directory ", path));
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (errno != ENOENT || parent.empty() || parent == path)
    return absl::ErrnoToStatus(errno, absl::StrCat("create directory ", path));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(parent, mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    return absl::ErrnoToStatus(errno, absl::StrCat("create directory ", path));
  return absl::OkStatus();
}

bool DirectoryExists(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

absl::StatusOr<std::vector<std::string>> ListDirectory(int directory_fd, const std::string& what) {
  // A fresh open file description: readdir must not move the caller's position.
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(directory_fd, ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, CloseDir> directory(::fdopendir(fd.get()));
  if (directory == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("list ", what));
  (void)fd.Release();  // closedir owns it now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return absl::ErrnoToStatus(errno, absl::StrCat("list ", what));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  return ListDirectory(fd.get(), path);
}

absl::Status RemoveTree(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const std::filesystem::path split(trimmed);
  const std::string parent = split.parent_path().empty() ? "." : split.parent_path().string();
  auto parent_fd = OpenAt(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(parent_fd.status())) return absl::OkStatus();
  if (!parent_fd.ok()) return parent_fd.status();
  struct stat status;
  if (::fstat(parent_fd->get(), &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", parent));
  return RemoveAt(parent_fd->get(), split.filename().string(), status.st_dev, path);
}

}  // namespace stowage
