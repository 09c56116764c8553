#include "plugin/doctor/gather_containerd.h"

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

class Certs {
 public:
  void Write(const std::string& host, const std::string& text) {
    REQUIRE_OK(MakeDirectories(directory_.Join(host)));
    REQUIRE_OK(WriteFileAtomically(directory_.Join(host + "/hosts.toml"), text));
  }
  const std::string& path() const { return directory_.path(); }

 private:
  testing::TemporaryDirectory directory_;
};

TEST_CASE("GatherHosts reads the first directory that has the host", "[doctor][gather]") {
  Certs first;
  Certs second;
  second.Write("nix", "server = \"http://a\"\n");
  const HostsFacts facts = GatherHosts(first.path() + ":" + second.path(), "nix");
  CHECK(facts.exists);
  CHECK(facts.path == second.path() + "/nix/hosts.toml");
  CHECK(facts.file.server == "http://a");
}

TEST_CASE("GatherHosts takes the default's file as containerd does", "[doctor][gather]") {
  Certs certs;
  certs.Write("_default", "server = \"https://mirror\"\n");
  CHECK(GatherHosts(certs.path(), "nix").file.server == "https://mirror");
  // A directory of the host counts even if it is empty.
  REQUIRE_OK(MakeDirectories(certs.path() + "/nix"));
  const HostsFacts facts = GatherHosts(certs.path(), "nix");
  CHECK_FALSE(facts.exists);
  CHECK(facts.path == certs.path() + "/nix/hosts.toml");
}

TEST_CASE("GatherHosts names the file that should be there, and what cannot be read",
          "[doctor][gather]") {
  Certs certs;
  const HostsFacts missing = GatherHosts(certs.path() + ":/other", "nix.local");
  CHECK_FALSE(missing.exists);
  CHECK(missing.path == certs.path() + "/nix.local/hosts.toml");
  certs.Write("nix.local", "server = \n");
  const HostsFacts broken = GatherHosts(certs.path(), "nix.local");
  CHECK(broken.exists);
  CHECK(absl::IsInvalidArgument(broken.readable));
}

TEST_CASE("GatherContainerd without a daemon says so and reads the files", "[doctor][gather]") {
  testing::TemporaryDirectory directory;
  const std::string config = directory.Join("config.toml");
  REQUIRE_OK(WriteFileAtomically(config, "version = 2\nroot = \"/r\"\n"));
  const ContainerdFacts facts =
      GatherContainerd(directory.Join("none.sock"), config, directory.Join("fs"), "fuse");
  CHECK(absl::IsNotFound(facts.reachable));
  CHECK(facts.config_path == config);
  REQUIRE(facts.files.size() == 1);
  CHECK(StringIn(facts.config, {"root"}, "") == "/r");
  CHECK_FALSE(facts.changed_since_start);
}

// A copy of sleep(1) of another name, running.
class Sleeper {
 public:
  explicit Sleeper(const std::string& program) {
    std::filesystem::copy_file("/bin/sleep", program);
    REQUIRE(::chmod(program.c_str(), 0755) == 0);
    std::string name = "containerd";
    std::string time = "60";
    char* const words[] = {name.data(), time.data(), nullptr};
    REQUIRE(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, words, nullptr) == 0);
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

TEST_CASE("ContainerdProgram names no program but root's containerd", "[doctor][gather]") {
  testing::TemporaryDirectory directory;
  const std::string program = directory.Join("containerd");
  const Sleeper daemon(program);
  const Sleeper other(directory.Join("shim"));
  CHECK(ContainerdProgram({daemon.pid(), 0, 0}) == (::getuid() == 0 ? program : "containerd"));
  CHECK(ContainerdProgram({daemon.pid(), 1000, 1000}) == "containerd");
  CHECK(ContainerdProgram({other.pid(), 0, 0}) == "containerd");
  CHECK(ContainerdProgram({0, 0, 0}) == "containerd");
  const mode_t mode = GENERATE(0775, 0757);
  REQUIRE(::chmod(program.c_str(), mode) == 0);
  CHECK(ContainerdProgram({daemon.pid(), 0, 0}) == "containerd");
  REQUIRE(::chmod(program.c_str(), 0755) == 0);
  if (::getuid() != 0) return;
  REQUIRE(::chown(program.c_str(), 1000, 0) == 0);
  CHECK(ContainerdProgram({daemon.pid(), 0, 0}) == "containerd");
  REQUIRE(::unlink(program.c_str()) == 0);
  CHECK(ContainerdProgram({daemon.pid(), 0, 0}) == "containerd");
}

}  // namespace
}  // namespace stowage
