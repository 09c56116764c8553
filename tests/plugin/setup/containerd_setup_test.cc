#include "plugin/setup/containerd_setup.h"

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "plugin/setup/apply_changes.h"
#include "plugin/setup/hosts_toml.h"
#include "plugin/setup/toml_json.h"
#include "tests/plugin/setup/etc_directory.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

using testing::EtcDirectory;

constexpr char kConfig[] = "/etc/containerd/config.toml";
constexpr char kDropIn[] = "/etc/containerd/conf.d/stowage.toml";

std::string Golden(const std::string& name) {
  const auto text = ReadFile(absl::StrCat(STOWAGE_GOLDEN_DIRECTORY, "/", name));
  REQUIRE_OK(text);
  return *text;
}

ContainerdSetupPlan Plan(const ContainerdSetupOptions& options) {
  auto plan = PlanContainerdSetup(options);
  REQUIRE_OK(plan);
  return *std::move(plan);
}

// Applies a plan that leaves nothing to people, and checks that a second one has nothing to do.
void SetUp(const ContainerdSetupOptions& options) {
  const ContainerdSetupPlan plan = Plan(options);
  CHECK(plan.by_hand.empty());
  REQUIRE_OK(ApplyChanges(plan.changes));
  const ContainerdSetupPlan again = Plan(options);
  CHECK(again.changes.empty());
  CHECK(again.by_hand.empty());
}

// All files below /etc/containerd that setup writes, as one text.
std::string Written(const EtcDirectory& etc) {
  std::string all;
  for (const std::string name : {kConfig, kDropIn, "/etc/containerd/certs.d/nix/hosts.toml",
                                 "/etc/containerd/certs.d/nix.local/hosts.toml",
                                 "/etc/containerd/certs.d/docker.io/hosts.toml"}) {
    const auto text = ReadFile(etc.Path(name));
    absl::StrAppend(&all, "=== ", name, text.ok() ? "\n" : " is not there\n",
                    text.ok() ? etc.Anonymous(*text) : "");
  }
  return all;
}

TEST_CASE("Setup writes what each version of containerd needs", "[setup][containerd_setup]") {
  auto [version, config] = GENERATE(table<std::string, std::string>({{"1.6.20", "none"},
                                                                     {"1.6.20", "debian"},
                                                                     {"1.7.24", "none"},
                                                                     {"1.7.24", "debian"},
                                                                     {"2.1.9", "none"},
                                                                     {"2.1.9", "debian"},
                                                                     {"2.1.9", "version-3"},
                                                                     {"1.6.20", "kubeadm"},
                                                                     {"1.7.24", "kubeadm"},
                                                                     {"2.1.9", "kubeadm"},
                                                                     {"2.3.4", "none"}}));
  const EtcDirectory etc;
  if (config != "none") etc.Write(kConfig, Golden(config + ".toml"));
  ContainerdSetupOptions options = etc.Options(version);
  options.short_names = config == "none";
  SetUp(options);
  INFO(version << " " << config);
  CHECK(Written(etc) == Golden(absl::StrCat(version, "-", config, ".txt")));
}

TEST_CASE("Setup keeps what users have chosen, and says so", "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, R"(version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "nydus"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/mine"
[proxy_plugins.nydus]
  type = "snapshot"
  address = "/run/nydus.sock"
)");
  ContainerdSetupOptions options = etc.Options("1.7.24");
  options.certs_directory = "";
  const ContainerdSetupPlan plan = Plan(options);
  REQUIRE(plan.notes.size() == 1);
  CHECK(absl::StrContains(plan.notes[0], "\"nydus\""));
  CHECK(plan.certs_directory == etc.Path("/etc/mine"));
  SetUp(options);
  const auto values = ParseToml(etc.Read(kConfig), kConfig);
  REQUIRE_OK(values);
  CHECK(StringIn(*values, {"plugins", "io.containerd.grpc.v1.cri", "containerd", "snapshotter"},
                 "") == "nydus");
  CHECK(StringIn(*values, {"proxy_plugins", "nydus", "address"}, "") == "/run/nydus.sock");
  CHECK(absl::StrContains(etc.Read("/etc/mine/nix.local/hosts.toml"), "server = "));
  CHECK_FALSE(absl::StrContains(etc.Read(kDropIn), "snapshotter ="));
}

TEST_CASE("Setup adds to a proxy plugin that config.toml has, since a file would replace it",
          "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, R"(version = 3
[proxy_plugins.stowage]
  type = "snapshot"
  address = "/run/old.sock"
  [proxy_plugins.stowage.exports]
    enable_remote_snapshot_annotations = "true"
)");
  SetUp(etc.Options("2.1.9"));
  const auto values = ParseToml(etc.Read(kConfig), kConfig);
  REQUIRE_OK(values);
  const nlohmann::json wanted = {
      {"type", "snapshot"},
      {"address", "/run/stowage/snapshotter.sock"},
      {"capabilities", {"remap-ids"}},
      {"exports", {{"root", "/var/lib/stowage"}, {"enable_remote_snapshot_annotations", "true"}}}};
  CHECK(*FindIn(*values, {"proxy_plugins", "stowage"}) == wanted);
  CHECK_FALSE(absl::StrContains(etc.Read(kDropIn), "proxy_plugins"));
}

TEST_CASE("Setup declares remap-ids beside what is declared, and only where the kernel can",
          "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, R"(version = 3
[proxy_plugins.stowage]
  type = "snapshot"
  address = "/run/stowage/snapshotter.sock"
  capabilities = ["mine"]
)");
  ContainerdSetupOptions options = etc.Options("2.1.9");
  options.remap_ids = GENERATE(true, false);
  SetUp(options);
  const auto values = ParseToml(etc.Read(kConfig), kConfig);
  REQUIRE_OK(values);
  std::vector<std::string> wanted = {"mine"};
  if (options.remap_ids) wanted.push_back("remap-ids");
  CHECK(StringsIn(*values, {"proxy_plugins", "stowage", "capabilities"}) == wanted);
}

TEST_CASE("Setup adds to an unpack_config that config.toml has", "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, R"(version = 3
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/amd64"
  snapshotter = "zfs"
  differ = "walking"
)");
  SetUp(etc.Options("2.1.9"));
  const auto values = ParseToml(etc.Read(kConfig), kConfig);
  REQUIRE_OK(values);
  const nlohmann::json wanted = {
      {{"platform", "linux/amd64"}, {"snapshotter", "zfs"}, {"differ", "walking"}},
      {{"platform", "linux/amd64"}, {"snapshotter", "stowage"}}};
  CHECK(*FindIn(*values, {"plugins", "io.containerd.transfer.v1.local", "unpack_config"}) ==
        wanted);
}

TEST_CASE("Setup divides a config_path list where containerd does not",
          "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, R"(version = 2
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/a:/etc/b"
)");
  ContainerdSetupOptions options = etc.Options(GENERATE(as<std::string>(), "1.7.24", "2.1.9"));
  options.certs_directory = "";
  SetUp(options);
  const std::string config = etc.Read(kConfig) + etc.Read(kDropIn);
  if (options.version.major == 1) {
    CHECK(absl::StrContains(config, "config_path = \"/etc/a:/etc/b\""));
  } else {
    CHECK(absl::StrContains(config, "config_path = \"/etc/a\""));
  }
  CHECK(absl::StrContains(etc.Read("/etc/a/nix/hosts.toml"), "5080"));
}

TEST_CASE("Setup leaves alone what it must not edit, and prints the lines",
          "[setup][containerd_setup]") {
  auto [text, reason, line] = GENERATE(table<std::string, std::string, std::string>(
      {{"[plugins.cri.containerd]\n", "configuration version 1", "snapshotter = \"stowage\""},
       {"{{ template \"base\" . }}\nversion = 2\n", "config.toml:1:", "address = "},
       {"# File generated by k3s. DO NOT EDIT.\nversion = 2\n", "DO NOT EDIT", "imports = ["},
       {"version = 2\nplugins = { \"io.containerd.grpc.v1.cri\" = { } }\n", "rewriting",
        "snapshotter = \"stowage\""},
       {"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n"
        "endpoint = [\"https://m\"]\n",
        "registry.mirrors", "config_path = "}}));
  const EtcDirectory etc;
  etc.Write(kConfig, text);
  const ContainerdSetupPlan plan = Plan(etc.Options("1.6.20"));
  REQUIRE(plan.by_hand.size() == 1);
  INFO(plan.by_hand[0].reason << "\n" << plan.by_hand[0].lines);
  CHECK(plan.by_hand[0].path == etc.Path(kConfig));
  CHECK(absl::StrContains(plan.by_hand[0].reason, reason));
  CHECK(absl::StrContains(plan.by_hand[0].lines, line));
}

TEST_CASE("Setup does not replace a symbolic link", "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write("/etc/static/config.toml", "version = 2\n");
  REQUIRE_OK(MakeDirectories(etc.Path("/etc/containerd")));
  REQUIRE(::symlink(etc.Path("/etc/static/config.toml").c_str(), etc.Path(kConfig).c_str()) == 0);
  const ContainerdSetupPlan plan = Plan(etc.Options("1.6.20"));
  REQUIRE(plan.by_hand.size() == 1);
  CHECK(absl::StrContains(plan.by_hand[0].reason, "symbolic link"));
  CHECK(absl::StrContains(plan.by_hand[0].lines, "imports = ["));
}

TEST_CASE("Setup replaces a file of its own that nobody can read", "[setup][containerd_setup]") {
  const EtcDirectory etc;
  const bool imported = GENERATE(true, false);
  if (imported) etc.Write(kConfig, "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n");
  etc.Write(kDropIn, "version = 2\n[proxy_plugins\n");
  SetUp(etc.Options("1.7.24"));
  CHECK(absl::StrContains(etc.Read(kDropIn), "[proxy_plugins.stowage]"));
  CHECK(etc.Read(std::string(kDropIn) + ".before-stowage") == "version = 2\n[proxy_plugins\n");
}

TEST_CASE("Setup does not replace its own file where that is a symbolic link",
          "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n");
  etc.Write("/etc/static/stowage.toml", "version = 2\n");
  REQUIRE_OK(MakeDirectories(etc.Path("/etc/containerd/conf.d")));
  REQUIRE(::symlink(etc.Path("/etc/static/stowage.toml").c_str(), etc.Path(kDropIn).c_str()) == 0);
  const ContainerdSetupPlan plan = Plan(etc.Options("1.7.24"));
  REQUIRE(plan.by_hand.size() == 1);
  CHECK(plan.by_hand[0].path == etc.Path(kDropIn));
  CHECK(absl::StrContains(plan.by_hand[0].reason, "symbolic link"));
  CHECK(absl::StrContains(plan.by_hand[0].lines, "[proxy_plugins.stowage]"));
}

TEST_CASE("Setup finds a file that is read after ours and says otherwise",
          "[setup][containerd_setup]") {
  const EtcDirectory etc;
  etc.Write(kConfig, "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n");
  etc.Write("/etc/containerd/conf.d/zz.toml",
            "version = 3\n[plugins.\"io.containerd.cri.v1.images\"]\n  snapshotter = "
            "\"overlayfs\"\n");
  const ContainerdSetupPlan plan = Plan(etc.Options("2.1.9"));
  REQUIRE(plan.by_hand.size() == 1);
  CHECK(plan.by_hand[0].path == etc.Path("/etc/containerd/conf.d/zz.toml"));
  CHECK(absl::StrContains(plan.by_hand[0].lines, "snapshotter = \"stowage\""));
}

TEST_CASE("Setup replaces a hosts.toml of our names that leads elsewhere",
          "[setup][containerd_setup]") {
  const EtcDirectory etc;
  const std::string path = "/etc/containerd/certs.d/nix.local/hosts.toml";
  etc.Write(path, "server = \"https://registry.example.org\"\n");
  const ContainerdSetupPlan plan = Plan(etc.Options("2.1.9"));
  const auto written = ApplyChanges(plan.changes);
  REQUIRE_OK(written);
  bool found = false;
  for (const WrittenFile& file : *written) {
    if (file.path != etc.Path(path)) continue;
    found = true;
    CHECK(file.backup == etc.Path(path) + ".before-stowage");
  }
  CHECK(found);
  CHECK(etc.Read(path + ".before-stowage") == "server = \"https://registry.example.org\"\n");
  CHECK_FALSE(absl::StrContains(etc.Read(path), "example.org"));
}

TEST_CASE("Setup adds us before the mirrors of docker.io", "[setup][containerd_setup]") {
  const EtcDirectory etc;
  const std::string path = "/etc/containerd/certs.d/docker.io/hosts.toml";
  const std::string mirror = "[host.\"https://mirror.gcr.io\"]\n  capabilities = [\"pull\"]\n";
  etc.Write(path, mirror);
  ContainerdSetupOptions options = etc.Options("2.1.9");
  options.short_names = true;
  SetUp(options);
  CHECK(absl::StartsWith(etc.Read(path), "[host.\"http://127.0.0.1:5080\"]\n"));
  CHECK(absl::EndsWith(etc.Read(path), mirror));
}

TEST_CASE("Setup does not hide what has held for docker.io", "[setup][containerd_setup]") {
  const std::string mirror = "[host.\"https://mirror.gcr.io\"]\n";
  const EtcDirectory etc;
  // 1.7 divides the list; 2.1 does not, but is told the first of it.
  ContainerdSetupOptions options = etc.Options(GENERATE(as<std::string>(), "1.7.24", "2.1.9"));
  options.certs_directory = "";
  options.short_names = true;
  etc.Write(kConfig,
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
            "  config_path = \"/etc/a:/etc/b\"\n");
  const std::string source = GENERATE(as<std::string>(), "/etc/a/_default/hosts.toml",
                                      "/etc/b/docker.io/hosts.toml", "/etc/b/_default/hosts.toml");
  etc.Write(source, mirror);
  const ContainerdSetupPlan plan = Plan(options);
  REQUIRE_FALSE(plan.notes.empty());
  CHECK(absl::StrContains(plan.notes.back(), etc.Path(source)));
  SetUp(options);
  const auto file = ParseHostsFile(etc.Read("/etc/a/docker.io/hosts.toml"), "hosts.toml");
  REQUIRE_OK(file);
  REQUIRE(file->hosts.size() == 2);
  CHECK(file->hosts[0].url == "http://127.0.0.1:5080");
  CHECK(file->hosts[1].url == "https://mirror.gcr.io");
  CHECK(etc.Read(source) == mirror);
}

TEST_CASE("Setup leaves it to people where docker.io's settings cannot be copied",
          "[setup][containerd_setup]") {
  auto [file, text, reason] = GENERATE(table<std::string, std::string, std::string>(
      {{"_default/hosts.toml", "[host.'https://m']\nclient = [['/c', 'k']]\n", "relative paths"},
       {"_default/hosts.toml", "host.'https://m'.capabilities = ['pull']\n", "cannot be put"},
       {"_default/hosts.toml", "server = \n", "hosts.toml:1:"},
       {"_default/hosts.toml", "# DO NOT EDIT\n", "DO NOT EDIT"},
       {"_default/ca.crt", "", "certificates in"},
       {"docker.io/client.cert", "", "certificates in"}}));
  const EtcDirectory etc;
  etc.Write("/etc/containerd/certs.d/" + file, text);
  ContainerdSetupOptions options = etc.Options("2.1.9");
  options.short_names = true;
  const ContainerdSetupPlan plan = Plan(options);
  REQUIRE(plan.by_hand.size() == 1);
  INFO(plan.by_hand[0].reason);
  CHECK(plan.by_hand[0].path == etc.Path("/etc/containerd/certs.d/docker.io/hosts.toml"));
  CHECK(absl::StrContains(plan.by_hand[0].reason, reason));
  CHECK(absl::StrContains(plan.by_hand[0].lines, "[host.\"http://127.0.0.1:5080\"]"));
  for (const FileChange& change : plan.changes) CHECK(change.path != plan.by_hand[0].path);
}

TEST_CASE("Setup refuses a containerd that Stowage is not made for", "[setup][containerd_setup]") {
  const EtcDirectory etc;
  const auto plan = PlanContainerdSetup(etc.Options("1.5.9"));
  CHECK(plan.status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("ApplyChanges keeps mode and old texts, and notices a change meanwhile",
          "[setup][apply_changes]") {
  const EtcDirectory etc;
  const std::string path = etc.Path("/etc/f");
  etc.Write("/etc/f", "1");
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  REQUIRE_OK(ApplyChanges({{path, true, "1", "2"}}));
  const auto second = ApplyChanges({{path, true, "2", "3"}});
  REQUIRE_OK(second);
  CHECK((*second)[0].backup == path + ".before-stowage.1");
  CHECK(etc.Read("/etc/f") == "3");
  CHECK(etc.Read("/etc/f.before-stowage") == "1");
  CHECK(etc.Read("/etc/f.before-stowage.1") == "2");
  struct stat status = {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);

  CHECK(absl::IsAborted(ApplyChanges({{path, true, "2", "4"}}).status()));
  CHECK(absl::IsAborted(ApplyChanges({{path, false, "", "4"}}).status()));
  CHECK(etc.Read("/etc/f") == "3");
}

TEST_CASE("ApplyChanges that fails says what it has written", "[setup][apply_changes]") {
  const EtcDirectory etc;
  etc.Write("/etc/a", "1");
  etc.Write("/etc/c", "other");
  const absl::Status error = ApplyChanges({{etc.Path("/etc/a"), true, "1", "2"},
                                           {etc.Path("/etc/b"), false, "", "2"},
                                           {etc.Path("/etc/c"), true, "1", "2"}})
                                 .status();
  CHECK(absl::IsAborted(error));
  const std::string text = etc.Anonymous(std::string(error.message()));
  INFO(text);
  CHECK(absl::StrContains(text, "write /etc/c: "));
  CHECK(absl::StrContains(text, "already written: /etc/a (old text: /etc/a.before-stowage)"));
  CHECK(absl::StrContains(text, "already written: /etc/b (new)"));
}

}  // namespace
}  // namespace stowage
