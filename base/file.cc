#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/status_macros.h"

namespace stowage {

absl::StatusOr<UniqueFd> OpenAt(int directory_fd, const std::string& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::openat(directory_fd, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  return UniqueFd(fd);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  return ReadFileAt(AT_FDCWD, path, 0, max_bytes);
}

absl::StatusOr<std::string> ReadFileAt(int directory_fd, const std::string& path, int extra_flags,
                                       size_t max_bytes) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(directory_fd, path, O_RDONLY | extra_flags));
  std::string content;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
    if (count == 0) return content;
    if (content.size() + static_cast<size_t>(count) > max_bytes)
      return absl::ResourceExhaustedError(
          absl::StrCat("read ", path, ": longer than ", max_bytes, " bytes"));
    content.append(buffer, static_cast<size_t>(count));
  }
}

absl::Status WriteAll(int fd, absl::string_view bytes, absl::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat("write ", what));
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status PreadExactly(int fd, void* buffer, size_t size, uint64_t offset,
                          absl::string_view what) {
  char* out = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t count = ::pread(fd, out, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", what));
    if (count == 0)
      return absl::OutOfRangeError(
          absl::StrCat("read ", what, ": ended ", size, " bytes early at ", offset));
    out += count;
    offset += static_cast<uint64_t>(count);
    size -= static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadLinkAt(int directory_fd, const std::string& path) {
  // st_size is no promise on every file system, so the buffer grows until the target fits with room
  // to spare.
  for (size_t capacity = 256;; capacity *= 4) {
    std::string target(capacity, '\0');
    const ssize_t count = ::readlinkat(directory_fd, path.c_str(), target.data(), capacity);
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read link ", path));
    if (static_cast<size_t>(count) < capacity) {
      target.resize(static_cast<size_t>(count));
      return target;
    }
  }
}

}  // namespace stowage
