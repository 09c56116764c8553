#include "plugin/doctor/gather_containerd.h"

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
      GatherContainerd(directory.Join("none.sock"), config, directory.Join("fs"));
  CHECK(absl::IsNotFound(facts.reachable));
  CHECK(facts.config_path == config);
  REQUIRE(facts.files.size() == 1);
  CHECK(StringIn(facts.config, {"root"}, "") == "/r");
  CHECK_FALSE(facts.changed_since_start);
}

}  // namespace
}  // namespace stowage
