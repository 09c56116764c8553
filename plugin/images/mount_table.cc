#include "plugin/images/mount_table.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
absl::StatusOr<MountTable> MountTable::Open(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY));
  return MountTable(std::move(fd));
}

MountTable::MountTable(MountTable&& other) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS
    : fd_(std::move(other.fd_)),
      read_(other.read_),
      entries_(std::move(other.entries_)) {}

absl::Status MountTable::Refresh() {
  pollfd change = {fd_.get(), POLLPRI, 0};
  if (::poll(&change, 1, 0) < 0) return absl::ErrnoToStatus(errno, "poll mountinfo");
  if (read_ && (change.revents & (POLLPRI | POLLERR)) == 0) return absl::OkStatus();
  read_ = false;  // the change is taken note of; should reading fail now, it must be tried again
  if (::lseek(fd_.get(), 0, SEEK_SET) < 0) return absl::ErrnoToStatus(errno, "read mountinfo");
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd_.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, "read mountinfo");
    if (count == 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  entries_ = ParseMountInfo(text);
  read_ = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> MountTable::IsMountedAs(absl::string_view mountpoint,
                                             absl::string_view file_system_type) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_RETURN_IF_ERROR(Refresh());
  return stowage::IsMountedAs(entries_, mountpoint, file_system_type);
}

absl::StatusOr<std::vector<MountInfo>> MountTable::Entries() {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_RETURN_IF_ERROR(Refresh());
  return entries_;
}

}  // namespace stowage
