#include "fuse/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/monotonic_clock.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// posix_spawn's attributes and file actions, freed in the end.
struct SpawnSettings {
  SpawnSettings() {
    (void)::posix_spawnattr_init(&attributes);
    (void)::posix_spawn_file_actions_init(&actions);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    (void)::posix_spawnattr_destroy(&attributes);
    (void)::posix_spawn_file_actions_destroy(&actions);
  }

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
};

// Adds argv[0]; the result points into `arguments`.
std::vector<char*> ArgumentVector(std::vector<std::string>& arguments) {
  arguments.insert(arguments.begin(), "stowage-fuse");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return argv;
}

}  // namespace

UniqueFd TakeInherited(int fd) {
  (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);  // a bad number is found by its first use
  return UniqueFd(fd);
}

absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // born close-on-exec
  if (fd) return fd;
  if (errno == ESRCH) return absl::NotFoundError(absl::StrCat("process ", pid, " is gone"));
  return absl::ErrnoToStatus(errno, absl::StrCat("watch process ", pid));
}

void SignalPidfd(int pidfd, int signal) {
  (void)::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

absl::StatusOr<WatchedProcess> StartProgram(const std::string& program,
                                            std::vector<std::string> arguments,
                                            absl::Span<const int> inherited_fds) {
  const std::vector<char*> argv = ArgumentVector(arguments);
  SpawnSettings settings;
  sigset_t none;
  sigemptyset(&none);
  int error = ::posix_spawnattr_setsigmask(&settings.attributes, &none);
  if (error == 0) error = ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGMASK);
  for (const int fd : inherited_fds) {
    // On itself: takes close-on-exec away (POSIX.1-2024, posix_spawn_file_actions_adddup2).
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&settings.actions, fd, fd);
  }
  pid_t pid = -1;
  // Not fork(2): it write-protects our memory for copy-on-write, and a worker that is killed while
  // the kernel copies a reply out of such a page makes that request fail (docs/fuse.md).
  if (error == 0)
    error = ::posix_spawn(&pid, program.c_str(), &settings.actions, &settings.attributes,
                          argv.data(), ::environ);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("start ", program));
  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(pid);
  if (pidfd.ok()) return WatchedProcess{pid, *std::move(pidfd)};
  (void)::kill(pid, SIGKILL);  // nobody would know of it
  (void)::waitpid(pid, nullptr, 0);
  return pidfd.status();
}

absl::Status BecomeProgram(const std::string& program, std::vector<std::string> arguments,
                           absl::Span<const int> inherited_fds) {
  const std::vector<char*> argv = ArgumentVector(arguments);
  for (const int fd : inherited_fds) (void)::fcntl(fd, F_SETFD, 0);
  (void)::execv(program.c_str(), argv.data());
  const int error = errno;
  for (const int fd : inherited_fds) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return absl::ErrnoToStatus(error, absl::StrCat("execute ", program));
}

bool AwaitEnd(const WatchedProcess& process, absl::Duration patience) {
  pollfd waiting = {process.pidfd.get(), POLLIN, 0};
  const absl::Duration deadline = MonotonicTime() + patience;
  while (true) {
    const absl::Duration left = std::max(deadline - MonotonicTime(), absl::ZeroDuration());
    const int count = ::poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

}  // namespace stowage
