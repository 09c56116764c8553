#include "tests/plugin/containerd/containerd_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/subprocess.h"
#include "plugin/containerd/unix_socket.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr absl::Duration kCommandTimeout = absl::Seconds(60);

absl::StatusOr<SubprocessResult> RunCommand(std::vector<std::string> argv) {
  SubprocessOptions options;
  options.argv = std::move(argv);
  options.deadline = absl::Now() + kCommandTimeout;
  return RunSubprocess(options);
}

}  // namespace

void SkipWithoutContainerd() {
  const bool usable = ::geteuid() == 0 && RunCommand({"containerd", "--version"}).ok() &&
                      RunCommand({"ctr", "--version"}).ok();
  if (usable) return;
  std::puts("skipped: needs root, containerd and ctr");
  std::exit(77);
}

ContainerdProcess::ContainerdProcess(
    const std::vector<std::pair<std::string, std::string>>& proxy_snapshotters) {
  std::string config = WriteConfig(proxy_snapshotters);
  std::string log = directory_.Join("containerd.log");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string program = "containerd";
  std::string option = "--config";
  char* const argv[] = {program.data(), option.data(), config.data(), nullptr};
  const int error = ::posix_spawnp(&pid_, "containerd", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(error == 0);
  WaitUntilServing();
}

ContainerdProcess::~ContainerdProcess() {
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) return;
    absl::SleepFor(absl::Milliseconds(50));
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string ContainerdProcess::WriteConfig(
    const std::vector<std::pair<std::string, std::string>>& proxy_snapshotters) const {
  std::string config = absl::StrCat(
      "version = 2\n", "root = \"", directory_.Join("root"), "\"\n", "state = \"",
      directory_.Join("state"), "\"\n", "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
      "[grpc]\n  address = \"", address(), "\"\n", "[ttrpc]\n  address = \"", address(),
      ".ttrpc\"\n", "[plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"",
      directory_.Join("opt"), "\"\n");
  for (const auto& [name, socket] : proxy_snapshotters) {
    absl::StrAppend(&config, "[proxy_plugins.", name, "]\n  type = \"snapshot\"\n  address = \"",
                    socket, "\"\n");
  }
  const std::string path = directory_.Join("config.toml");
  REQUIRE_OK(WriteFileAtomically(path, config));
  return path;
}

void ContainerdProcess::WaitUntilServing() const {
  const absl::Time give_up = absl::Now() + kStartTimeout;
  while (absl::Now() < give_up) {
    if (ProbeUnixSocket(address()).ok()) {
      const auto version = RunCommand({"ctr", "--address", address(), "version"});
      if (version.ok() && version->exit_code == 0) return;
    }
    REQUIRE(::waitpid(pid_, nullptr, WNOHANG) == 0);
    absl::SleepFor(absl::Milliseconds(50));
  }
  FAIL("containerd does not answer on " << address());
}

std::string ContainerdProcess::Ctr(const std::string& containerd_namespace,
                                   const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {"ctr", "--address", address(), "-n", containerd_namespace};
  argv.insert(argv.end(), words.begin(), words.end());
  const auto result = RunCommand(argv);
  REQUIRE_OK(result);
  INFO(result->standard_error);
  REQUIRE(result->exit_code == 0);
  return result->standard_output;
}

}  // namespace stowage::testing
