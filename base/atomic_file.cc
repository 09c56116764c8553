#include "base/atomic_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

absl::Status WriteAndSync(int fd, absl::string_view content, mode_t mode, const std::string& path) {
  STOWAGE_RETURN_IF_ERROR(WriteAll(fd, content, path));
  if (::fchmod(fd, mode) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("set the mode of ", path));
  if (::fsync(fd) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("sync ", path));
  return absl::OkStatus();
}

}  // namespace

bool IsUnfinishedFile(absl::string_view name) {
  constexpr absl::string_view kFixedPart = kUnfinishedFileSuffix.substr(0, 5);
  return name.size() > kUnfinishedFileSuffix.size() &&
         name.substr(name.size() - kUnfinishedFileSuffix.size(), kFixedPart.size()) == kFixedPart;
}

absl::Status RemoveUnfinishedFiles(const std::string& directory) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(directory, "/", name);
    if (IsUnfinishedFile(name) && ::unlink(path.c_str()) != 0 && errno != ENOENT)
      return absl::ErrnoToStatus(errno, absl::StrCat("remove unfinished file ", path));
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("sync ", path));
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode) {
  std::string temporary = absl::StrCat(path, kUnfinishedFileSuffix);
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, absl::StrCat("create a temporary file for ", path));
  absl::Status status = WriteAndSync(fd.get(), content, mode, temporary);
  STOWAGE_FAULT_POINT("file.write.synced");
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = absl::ErrnoToStatus(errno, absl::StrCat("rename ", temporary, " to ", path));
  if (!status.ok()) {
    (void)::unlink(temporary.c_str());  // best effort: the first error is the one to report
    return status;
  }
  STOWAGE_FAULT_POINT("file.write.renamed");
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace stowage
