#include "layering/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

int OpenInOneCall(int directory_fd, const std::string& path, int flags) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, directory_fd, path.c_str(), &how, sizeof how));
}

int OpenRetrying(int directory_fd, const std::string& name, int flags) {
  int fd;
  do {
    fd = ::openat(directory_fd, name.c_str(), flags);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

absl::Status OpenError(int error, const std::string& path) {
  // ErrnoToStatus has Unknown for both; for a caller they mean "not the tree that was described".
  if (error == ELOOP || error == ENOTDIR)
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path, ": ", error == ELOOP ? "is a symbolic link" : "is not below a directory"));
  return absl::ErrnoToStatus(error, absl::StrCat("open ", path));
}

// For kernels and system call filters without openat2, and for paths longer than PATH_MAX.
absl::StatusOr<UniqueFd> OpenByComponents(int directory_fd, const std::string& path, int flags) {
  UniqueFd parent;
  size_t begin = 0;
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
    const int fd =
        OpenRetrying(parent ? parent.get() : directory_fd, path.substr(begin, slash - begin),
                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return OpenError(errno, path);
    parent.Reset(fd);
    begin = slash + 1;
  }
  const int fd = OpenRetrying(parent ? parent.get() : directory_fd, path.substr(begin), flags);
  if (fd < 0) return OpenError(errno, path);
  return UniqueFd(fd);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenNameBeneath(int directory_fd, const std::string& name, int flags) {
  const int fd = OpenRetrying(directory_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return OpenError(errno, name);
  return UniqueFd(fd);
}

absl::StatusOr<UniqueFd> OpenBeneath(int directory_fd, const std::string& relative_path,
                                     int flags) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  const int fd = OpenInOneCall(directory_fd, relative_path, flags);
  if (fd >= 0) return UniqueFd(fd);
  // Whatever openat2 said (ENOSYS, a filter's EPERM, ENAMETOOLONG): this way has the last word.
  return OpenByComponents(directory_fd, relative_path, flags);
}

}  // namespace stowage
