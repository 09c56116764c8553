#include "fuse/store_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "fuse/nodeid.h"
#include "fuse/store_page_cache.h"

namespace stowage {
namespace {

absl::StatusOr<UniqueFd> OpenBeneath(int directory_fd, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  long fd;
  do {
    fd = ::syscall(SYS_openat2, directory_fd, path.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  return UniqueFd(static_cast<int>(fd));
}

// A path of any length: in steps, because one system call takes less than PATH_MAX bytes.
absl::StatusOr<UniqueFd> OpenLongPath(int directory_fd, std::string path, uint64_t flags) {
  UniqueFd step;
  while (path.size() >= PATH_MAX) {
    const size_t slash = path.rfind('/', PATH_MAX - 1);
    if (slash == std::string::npos) break;
    STOWAGE_ASSIGN_OR_RETURN(
        UniqueFd next,
        OpenBeneath(step ? step.get() : directory_fd, path.substr(0, slash), O_PATH | O_DIRECTORY));
    step = std::move(next);
    path.erase(0, slash + 1);
  }
  return OpenBeneath(step ? step.get() : directory_fd, path, flags);
}

absl::StatusOr<UniqueFd> OpenRegularFile(int directory_fd, const std::string& path,
                                         uint64_t size_bytes) {
  // O_NONBLOCK: whatever took the file's place, a fifo for one, must not make us wait.
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenLongPath(directory_fd, path, O_RDONLY | O_NONBLOCK));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", path));
  if (!S_ISREG(status.st_mode))
    return absl::DataLossError(absl::StrCat(path, " is no regular file any longer"));
  if (static_cast<uint64_t>(status.st_size) != size_bytes)
    return absl::DataLossError(absl::StrCat(path, " has ", status.st_size, " bytes, had ",
                                            size_bytes, " when it was indexed"));
  return fd;
}

bool HasLength(int fd, uint64_t size_bytes) {
  struct stat status;
  return ::fstat(fd, &status) == 0 && static_cast<uint64_t>(status.st_size) == size_bytes;
}

}  // namespace

StoreFiles::StoreFiles(UniqueFd store_directory_fd, FaultLog* faults, size_t max_open)
    : store_directory_fd_(std::move(store_directory_fd)),
      faults_(faults),
      open_files_(max_open, std::numeric_limits<size_t>::max()) {}

int StoreFiles::Open(const ObjectIndex& object, const ObjectEntry& entry,
                     std::shared_ptr<const StoreFile>* file) {
  const uint64_t nodeid = RegularFileNodeId(object.object_number(), entry.index);
  *file = open_files_.Get(nodeid);
  if (*file != nullptr) {
    // A shorter file would otherwise be read as one that ends early, with no error.
    if (HasLength((*file)->fd.get(), entry.size_bytes)) return 0;
    open_files_.Remove(nodeid);  // it is opened again: mended, or with a message
  }
  UniqueFd fd;
  if (const int error = OpenOnce(object, entry, &fd); error != 0) return error;
  const bool was_cached = AnyInPageCache(fd.get(), entry.size_bytes);
  *file = open_files_.Put(
      nodeid, std::make_shared<const StoreFile>(StoreFile{std::move(fd), was_cached}), 0);
  return 0;
}

int StoreFiles::OpenOnce(const ObjectIndex& object, const ObjectEntry& entry, UniqueFd* fd) {
  std::string path;
  if (const int error = object.PathOf(entry.index, &path); error != 0) return error;
  absl::StatusOr<UniqueFd> opened =
      OpenRegularFile(store_directory_fd_.get(), path, entry.size_bytes);
  if (!opened.ok()) {
    faults_->Report(FaultLog::Kind::kObject, object.object_number(), "store_file_unusable",
                    absl::StrCat("error=", opened.status().ToString()));
    return EIO;
  }
  *fd = *std::move(opened);
  return 0;
}

void StoreFiles::Forget(std::optional<uint64_t> object_number) {
  open_files_.RemoveIf([object_number](uint64_t nodeid) {
    return !object_number || ParseNodeId(nodeid).object == *object_number;
  });
}

}  // namespace stowage
