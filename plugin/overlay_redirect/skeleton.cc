#include "plugin/overlay_redirect/skeleton.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "plugin/overlay_redirect/overlay_xattr.h"

namespace stowage {
namespace {

constexpr mode_t kRootMode = 0755;
constexpr mode_t kStoreMode = 0555;  // of nix and nix/store in a layer (docs/layer-format.md)
constexpr timespec kStoreTime[] = {{1, 0}, {1, 0}};  // and the time of everything in it

absl::Status Failed(absl::string_view what, absl::string_view name) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", name));
}

absl::StatusOr<UniqueFd> MakeDirectoryAt(int parent_fd, const std::string& name) {
  if (::mkdirat(parent_fd, name.c_str(), 0700) != 0) return Failed("create directory", name);
  return OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

absl::Status SetAttributes(int fd, mode_t mode, absl::string_view name) {
  if (::fchmod(fd, mode) != 0) return Failed("chmod", name);
  if (::futimens(fd, kStoreTime) != 0) return Failed("set the time of", name);
  return absl::OkStatus();
}

absl::Status CopyFile(int store_fd, const std::string& name, const struct stat& status,
                      int target_fd) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd from, OpenAt(store_fd, name, O_RDONLY | O_NOFOLLOW));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd to,
                           OpenAt(target_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  while (true) {
    const ssize_t count = ::sendfile(to.get(), from.get(), nullptr, size_t{1} << 30);
    if (count == 0) break;
    if (count < 0 && errno != EINTR) return Failed("copy", name);
  }
  if (::fchown(to.get(), status.st_uid, status.st_gid) != 0) return Failed("chown", name);
  return SetAttributes(to.get(), status.st_mode & 07777, name);
}

absl::Status CopySymlink(int store_fd, const std::string& name, const struct stat& status,
                         int target_fd) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string target, ReadLinkAt(store_fd, name));
  if (::symlinkat(target.c_str(), target_fd, name.c_str()) != 0) return Failed("link", name);
  if (::fchownat(target_fd, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
    return Failed("chown", name);
  if (::utimensat(target_fd, name.c_str(), kStoreTime, AT_SYMLINK_NOFOLLOW) != 0)
    return Failed("set the time of", name);
  return absl::OkStatus();
}

absl::Status LeadTo(const std::string& name, const struct stat& status,
                    const std::string& secret_name, int target_fd) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd directory, MakeDirectoryAt(target_fd, name));
  STOWAGE_RETURN_IF_ERROR(
      SetRedirect(directory.get(), absl::StrCat("/", secret_name, "/", name), name));
  if (::fchown(directory.get(), status.st_uid, status.st_gid) != 0) return Failed("chown", name);
  return SetAttributes(directory.get(), status.st_mode & 07777, name);
}

absl::Status AddStorePath(int store_fd, const std::string& name, const std::string& secret_name,
                          int target_fd) {
  struct stat status;
  if (::fstatat(store_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return Failed("stat store path", name);
  if (S_ISDIR(status.st_mode)) return LeadTo(name, status, secret_name, target_fd);
  if (S_ISLNK(status.st_mode)) return CopySymlink(store_fd, name, status, target_fd);
  if (!S_ISREG(status.st_mode))
    return absl::FailedPreconditionError(
        absl::StrCat("store path ", name, " is neither a directory nor a file nor a link"));
  if (::linkat(store_fd, name.c_str(), target_fd, name.c_str(), 0) == 0) return absl::OkStatus();
  // Another mount of the file system, or a file with as many names as there can be.
  if (errno != EXDEV && errno != EMLINK) return Failed("make a hard link of store path", name);
  return CopyFile(store_fd, name, status, target_fd);
}

}  // namespace

absl::Status WriteSkeleton(int store_fd, const std::vector<std::string>& base_names,
                           const std::string& secret_name, const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd root, MakeDirectoryAt(AT_FDCWD, path));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd nix, MakeDirectoryAt(root.get(), "nix"));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store, MakeDirectoryAt(nix.get(), "store"));
  for (const std::string& name : base_names)
    STOWAGE_RETURN_IF_ERROR(Annotate(AddStorePath(store_fd, name, secret_name, store.get()),
                                     absl::StrCat("write ", path)));
  STOWAGE_RETURN_IF_ERROR(SetAttributes(store.get(), kStoreMode, "nix/store"));
  STOWAGE_RETURN_IF_ERROR(SetAttributes(nix.get(), kStoreMode, "nix"));
  return SetAttributes(root.get(), kRootMode, path);
}

}  // namespace stowage
