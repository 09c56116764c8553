#include "base/file_lock.h"

#include <sys/file.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {

absl::StatusOr<UniqueFd> LockFile(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd lock,
                           OpenAt(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK)
    return absl::FailedPreconditionError(absl::StrCat("lock ", path, ": another process has it"));
  return absl::ErrnoToStatus(errno, absl::StrCat("lock ", path));
}

}  // namespace stowage
