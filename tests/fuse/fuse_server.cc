#include "tests/fuse/fuse_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "fuse/index_directory.h"
#include "fuse/mount_table.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

// Before any test: where FUSE cannot be used nothing of this program can be tested.
[[maybe_unused]] const bool kUsable = [] {
  const bool usable = ::geteuid() == 0 && ::access("/dev/fuse", R_OK | W_OK) == 0;
  if (!usable) std::_Exit(77);
  return usable;
}();

bool IsFuseProgram(pid_t pid) {
  const auto arguments = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
  return arguments.ok() && absl::StrContains(*arguments, "stowage-fuse");
}

}  // namespace

void SleepMs(int milliseconds) {
  const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  (void)::nanosleep(&time, nullptr);
}

FuseServer::FuseServer(const std::string& state, const std::string& store,
                       const std::string& mount_point, const std::vector<std::string>& environment)
    : mount_point_(mount_point) {
  std::array<int, 2> output;
  REQUIRE(::pipe2(output.data(), O_CLOEXEC) == 0);
  const UniqueFd reader(output[0]);
  UniqueFd writer(output[1]);
  std::vector<std::string> arguments = {"/usr/bin/env"};
  arguments.insert(arguments.end(), environment.begin(), environment.end());
  for (const std::string& argument : {std::string(STOWAGE_FUSE_PROGRAM), "--state=" + state,
                                      "--store=" + store, "--mountpoint=" + mount_point})
    arguments.push_back(argument);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  keeper_ = ::fork();
  REQUIRE(keeper_ >= 0);
  if (keeper_ == 0) {
    ::dup2(writer.get(), STDOUT_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  writer.Reset();
  pollfd waiting = {reader.get(), POLLIN, 0};
  std::array<char, 4096> line{};
  REQUIRE(::poll(&waiting, 1, 30'000) == 1);
  const ssize_t size = ::read(reader.get(), line.data(), line.size() - 1);
  REQUIRE(size > 0);
  CHECK(std::string(line.data()) == absl::StrCat("mounted at ", mount_point, "\n"));
}

FuseServer::~FuseServer() {
  // Again until none is left: the two start each other.
  for (int i = 0; i < 100 && !Processes().empty(); ++i) {
    for (const pid_t pid : Processes()) (void)::kill(pid, SIGSTOP);
    for (const pid_t pid : Processes()) (void)::kill(pid, SIGKILL);
    SleepMs(10);
  }
  if (!reaped_) {
    (void)::kill(keeper_, SIGKILL);
    (void)::waitpid(keeper_, nullptr, 0);
  }
  while (IsMounted() && ::umount2(mount_point_.c_str(), MNT_DETACH) == 0) {
  }
}

pid_t FuseServer::ChildOf(pid_t parent) {
  pid_t child = 0;
  (void)Eventually([&] {
    std::ifstream children(absl::StrCat("/proc/", parent, "/task/", parent, "/children"));
    return static_cast<bool>(children >> child) && IsFuseProgram(child);
  });
  return child;
}

int FuseServer::WaitForKeeper() {
  int status = 0;
  if (!Eventually([&] { return ::waitpid(keeper_, &status, WNOHANG) == keeper_; })) return -1;
  reaped_ = true;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int FuseServer::Terminate() {
  REQUIRE(::kill(keeper_, SIGTERM) == 0);
  return WaitForKeeper();
}

bool FuseServer::IsMounted() const {
  const auto mounts = MountsAt(mount_point_);
  return mounts.ok() && !mounts->empty();
}

std::vector<pid_t> FuseServer::Processes() const {
  std::vector<pid_t> found;
  const auto names = ListDirectory("/proc");
  REQUIRE_OK(names);
  for (const std::string& name : *names) {
    const auto pid = static_cast<pid_t>(ParseFileNumber(name, 1u << 30));
    if (pid == 0) continue;
    const auto arguments = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
    const bool is_ours = arguments.ok() && (absl::StartsWith(*arguments, "stowage-fuse") ||
                                            absl::StartsWith(*arguments, STOWAGE_FUSE_PROGRAM));
    if (is_ours && absl::StrContains(*arguments, absl::StrCat("--mountpoint=", mount_point_)))
      found.push_back(pid);
  }
  return found;
}

int RunFuseProgram(const std::vector<std::string>& arguments, std::string* standard_error) {
  SubprocessOptions options;
  options.argv = {STOWAGE_FUSE_PROGRAM};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.deadline = absl::Now() + absl::Seconds(30);
  const auto result = RunSubprocess(options);
  REQUIRE_OK(result);
  *standard_error = result->standard_error;
  return result->exit_code;
}

}  // namespace stowage::testing
