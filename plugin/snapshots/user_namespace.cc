#include "plugin/snapshots/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// user_namespaces(7): one write, a line for each range.
absl::Status WriteMap(const std::string& path, const std::string& ranges) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, path, O_WRONLY));
  return Annotate(
      WriteAll(file.get(), absl::StrReplaceAll(ranges, {{":", " "}, {",", "\n"}}) + "\n", path),
      absl::StrCat("map ids ", ranges));
}

}  // namespace

absl::StatusOr<UniqueFd> MakeUserNamespace(const IdMapping& mapping) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "make a pipe");
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  // As fork(2), in a new user namespace. The child makes system calls only.
  const long child = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0UL);
  if (child < 0)
    return absl::ErrnoToStatus(errno,
                               "make a user namespace (sysctl user.max_user_namespaces bounds "
                               "their number)");
  if (child == 0) {
    char byte;
    (void)::close(writing.get());
    (void)::read(reading.get(), &byte, 1);  // until the parent has what it wants, or is gone
    ::_exit(0);
  }
  const auto end = absl::MakeCleanup([&] {
    writing.Reset();
    while (::waitpid(static_cast<pid_t>(child), nullptr, 0) < 0 && errno == EINTR) {
    }
  });
  const std::string process = absl::StrCat("/proc/", child);
  STOWAGE_RETURN_IF_ERROR(WriteMap(process + "/uid_map", mapping.uids));
  STOWAGE_RETURN_IF_ERROR(WriteMap(process + "/gid_map", mapping.gids));
  return OpenAt(AT_FDCWD, process + "/ns/user", O_RDONLY);
}

}  // namespace stowage
