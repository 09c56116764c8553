#include "plugin/images/mount_table.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// mountinfo writes blanks, tabs, newlines and backslashes as \ooo.
std::string DecodeOctal(absl::string_view text) {
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '7'; };
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      decoded += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                   (text[i + 3] - '0'));
      i += 3;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

}  // namespace

std::vector<MountEntry> ParseMountInfo(absl::string_view text) {
  std::vector<MountEntry> entries;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    size_t separator = 6;
    while (separator < fields.size() && fields[separator] != "-") ++separator;
    if (separator + 3 >= fields.size()) continue;
    entries.push_back({DecodeOctal(fields[3]), DecodeOctal(fields[4]),
                       std::string(fields[separator + 1]), std::string(fields[separator + 3])});
  }
  return entries;
}

bool IsMountedAs(const std::vector<MountEntry>& mounts, absl::string_view mountpoint,
                 absl::string_view file_system) {
  bool mounted = false;
  for (const MountEntry& entry : mounts) {
    if (entry.mountpoint == mountpoint) mounted = entry.file_system == file_system;
  }
  return mounted;
}

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
                                             absl::string_view file_system) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_RETURN_IF_ERROR(Refresh());
  return stowage::IsMountedAs(entries_, mountpoint, file_system);
}

absl::StatusOr<std::vector<MountEntry>> MountTable::Entries() {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_RETURN_IF_ERROR(Refresh());
  return entries_;
}

}  // namespace stowage
