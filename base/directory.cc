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

}  // namespace stowage
