// Each misconfiguration gives its finding, and a right node none.
#include "plugin/doctor/checks.h"

#include <functional>

#include "absl/strings/match.h"
#include "plugin/state/schema.h"
#include "tests/plugin/doctor/healthy_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using nlohmann::json;
using testing::CriContainerd;
using testing::CriRegistry;
using testing::Find;
using testing::HealthyNode;
using testing::Ids;
using testing::ProxyPlugin;
using testing::UnpackConfig;

constexpr ContainerdVersion k16 = {1, 6, 20};
constexpr ContainerdVersion k17 = {1, 7, 24};
constexpr ContainerdVersion k20 = {2, 0, 5};
constexpr ContainerdVersion k21 = {2, 1, 9};

constexpr char kOurs[] = "[host.\"http://127.0.0.1:5080\"]\n";

// One way in which a node is wrong.
struct Case {
  std::string id;
  Severity severity;
  std::string word;  // part of the problem or the fix
  std::function<void(NodeFacts&)> spoil;
  ContainerdVersion version = k21;
};

void CheckCase(const Case& wrong) {
  NodeFacts facts = HealthyNode(wrong.version);
  wrong.spoil(facts);
  const std::vector<Finding> findings = CheckNode(facts);
  INFO(wrong.id);
  const Finding finding = Find(findings, wrong.id);
  CHECK(finding.severity == wrong.severity);
  INFO(finding.problem << " / " << finding.fix);
  CHECK(absl::StrContains(finding.problem + finding.fix, wrong.word));
  CHECK(AnythingWrong(findings) == (wrong.severity != Severity::kNote));
}

void SetHosts(NodeFacts& facts, const std::string& host, const std::string& text) {
  HostsFacts& hosts = facts.hosts[host];
  const auto file = ParseHostsFile(text, hosts.path);
  REQUIRE_OK(file);
  hosts.exists = true;
  hosts.file = *file;
}

ContainerdFile File(const std::string& path, const std::string& text) {
  auto values = ParseToml(text, path);
  REQUIRE_OK(values);
  return {path, text, *std::move(values)};
}

TEST_CASE("A node on which all is right has nothing but the note on short names", "[doctor]") {
  const ContainerdVersion version =
      GENERATE(values<ContainerdVersion>({k16, {1, 7, 15}, k17, k20, k21}));
  const std::vector<Finding> findings = CheckNode(HealthyNode(version));
  INFO(version.ToString());
  CHECK(Ids(findings) == std::vector<std::string>{"short-names-off"});
  CHECK_FALSE(AnythingWrong(findings));
}

TEST_CASE("doctor finds every way in which a name of ours leads to others", "[doctor]") {
  const std::string host = GENERATE(as<std::string>(), "nix", "nix.local");
  const auto hosts = [&](const std::string& text) {
    return [host, text](NodeFacts& facts) { SetHosts(facts, host, text); };
  };
  const std::string server = "server = \"http://127.0.0.1:5080\"\n";
  for (const Case& wrong : std::vector<Case>{
           {"hosts-missing", Severity::kDanger, host + "/hosts.toml",
            [&](NodeFacts& facts) { facts.hosts[host].exists = false; }},
           {"hosts-unreadable", Severity::kDanger, "line 3",
            [&](NodeFacts& facts) {
              facts.hosts[host].readable = absl::InvalidArgumentError("line 3");
            }},
           {"hosts-no-host-table", Severity::kDanger, "ignores it", hosts(server), k16},
           {"hosts-no-host-table", Severity::kDanger, "ignores it", hosts(server), k17},
           {"hosts-no-server", Severity::kDanger, "no server", hosts(kOurs)},
           {"hosts-no-server", Severity::kDanger, "no server",
            hosts(std::string("server = \"\"\n") + kOurs)},
           {"hosts-other-server", Severity::kDanger, "https://x.org",
            hosts(std::string("server = \"https://x.org\"\n") + kOurs)},
           {"hosts-other-server", Severity::kDanger, "https://127.0.0.1:5080",
            hosts(std::string("server = \"https://127.0.0.1:5080\"\n") + kOurs)},
           {"hosts-other-host", Severity::kDanger, "https://x.org",
            hosts(server + kOurs + "[host.\"https://x.org\"]\n")},
           {"hosts-other-host", Severity::kDanger, "unix:///run/x.sock",
            hosts(server + "[host.\"unix:///run/x.sock\"]\n")},
           {"hosts-capabilities", Severity::kWarning, "resolve",
            hosts(server + kOurs + "capabilities = [\"pull\"]\n")}})
    CheckCase(wrong);
  // 2.x reads a file with server alone.
  NodeFacts facts = HealthyNode(k21);
  SetHosts(facts, host, server);
  CHECK_FALSE(AnythingWrong(CheckNode(facts)));
}

TEST_CASE("doctor says what short names mean", "[doctor]") {
  const std::string docker = "server = \"https://registry-1.docker.io\"\n";
  const auto hosts = [](const std::string& text) {
    return [text](NodeFacts& facts) { SetHosts(facts, "docker.io", text); };
  };
  for (const Case& wrong : std::vector<Case>{
           {"short-names-off", Severity::kNote, "Docker Hub", [](NodeFacts&) {}},
           {"short-names-off", Severity::kNote, "Docker Hub",
            hosts("[host.\"https://mirror.gcr.io\"]\n")},
           {"short-names-on", Severity::kNote,
            "while it is down, containerd asks "
            "https://registry-1.docker.io",
            hosts(docker + kOurs)},
           {"short-names-on", Severity::kNote,
            "https://mirror.gcr.io, then https://registry-1.docker.io",
            hosts(kOurs + std::string("[host.\"https://mirror.gcr.io\"]\n"))},
           {"short-names-not-first", Severity::kDanger, "https://mirror.gcr.io is asked",
            hosts("[host.\"https://mirror.gcr.io\"]\n" + std::string(kOurs))},
           {"short-names-not-first", Severity::kDanger, "another one may be asked",
            hosts("host.\"https://mirror.gcr.io\".capabilities = [\"pull\"]\n" +
                  std::string(kOurs))},
           {"short-names-capabilities", Severity::kDanger, "resolve",
            hosts(docker + kOurs + "capabilities = [\"pull\"]\n")},
           {"hosts-unreadable", Severity::kDanger, "docker.io/hosts.toml: line 3",
            [](NodeFacts& facts) {
              facts.hosts["docker.io"].exists = true;
              facts.hosts["docker.io"].readable = absl::InvalidArgumentError("line 3");
            }},
           {"short-names-captive", Severity::kError,
            "write server = \"https://registry-1.docker.io\" into "
            "/etc/containerd/certs.d/docker.io",
            hosts(std::string("server = \"http://127.0.0.1:5080\"\n") + kOurs)},
           {"short-names-captive", Severity::kError, "registry-1.docker.io\" into /etc",
            hosts("server = \"http://127.0.0.1:5080\"\n")},
           {"short-names-down", Severity::kDanger, "https://registry-1.docker.io right now",
            [&](NodeFacts& facts) {
              SetHosts(facts, "docker.io", docker + kOurs);
              facts.stowage.endpoint_reachable = absl::UnavailableError("refused");
            }}})
    CheckCase(wrong);
}

TEST_CASE("doctor finds every config_path by which CRI reads no hosts.toml", "[doctor]") {
  const auto config_path = [](const std::string& value) {
    return [value](NodeFacts& facts) { CriRegistry(facts)["config_path"] = value; };
  };
  for (const Case& wrong : std::vector<Case>{
           {"config-path-unset", Severity::kDanger, "cri.v1.images", config_path("")},
           {"config-path-unset", Severity::kDanger, "grpc.v1.cri", config_path(""), k16},
           {"config-path-list", Severity::kDanger, "/a:/b", config_path("/a:/b")},
           {"config-path-and-mirrors", Severity::kError, "registry.mirrors",
            [](NodeFacts& facts) {
              CriRegistry(facts)["mirrors"]["docker.io"]["endpoint"] = {"https://m"};
            },
            k17},
           {"config-path-and-mirrors", Severity::kError, "registry.configs",
            [](NodeFacts& facts) {
              CriRegistry(facts)["configs"]["x.org"]["tls"]["ca_file"] = "/ca.pem";
            },
            k17},
           {"config-path-unset", Severity::kDanger, "registry.mirrors", [](NodeFacts& facts) {
              CriRegistry(facts)["config_path"] = "";
              CriRegistry(facts)["mirrors"]["docker.io"]["endpoint"] = {"https://m"};
            }}})
    CheckCase(wrong);
  // Before 2.1, and where CRI pulls in the old way, a list works.
  NodeFacts old = HealthyNode(GENERATE(values<ContainerdVersion>({k16, k17, k20})));
  CriRegistry(old)["config_path"] = "/a:/b";
  CHECK(CheckConfigPath(old).empty());
  NodeFacts local = HealthyNode(k21);
  CriRegistry(local)["config_path"] = "/a:/b";
  CriContainerd(local)["use_local_image_pull"] = true;
  CHECK(CheckConfigPath(local).empty());
}

TEST_CASE("doctor finds what is wrong with containerd and its files", "[doctor]") {
  for (const Case& wrong : std::vector<Case>{
           {"containerd-unreachable", Severity::kError, "no such file",
            [](NodeFacts& facts) {
              facts.containerd.reachable = absl::NotFoundError("no such file");
            }},
           {"containerd-too-old", Severity::kError, "1.5.9",
            [](NodeFacts& facts) {
              facts.containerd.version = ContainerdVersion{1, 5, 9};
            },
            k16},
           {"config-unreadable", Severity::kError, "bad line",
            [](NodeFacts& facts) {
              facts.containerd.config_readable = absl::InvalidArgumentError("bad line");
            }},
           {"containerd-not-restarted", Severity::kWarning, "systemctl restart containerd",
            [](NodeFacts& facts) { facts.containerd.changed_since_start = true; }},
           {"mount-namespace", Severity::kError, "mnt:[1]",
            [](NodeFacts& facts) {
              facts.containerd.sees_mount = absl::FailedPreconditionError("mnt:[1]");
            }},
           {"config-table-hidden", Severity::kError, "/b.toml replaces",
            [](NodeFacts& facts) {
              facts.containerd.files = {
                  File("/a.toml", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\n"),
                  File("/b.toml",
                       "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n")};
            },
            k17},
           {"config-versions-mixed", Severity::kError, "/b.toml has configuration version 3",
            [](NodeFacts& facts) {
              facts.containerd.files = {File("/a.toml", "version = 2\n"),
                                        File("/b.toml", "version = 3\n[plugins.x]\n")};
            }}})
    CheckCase(wrong);
}

TEST_CASE("doctor finds what is wrong with the proxy plugin", "[doctor]") {
  for (const Case& wrong : std::vector<Case>{
           {"proxy-plugin-missing", Severity::kError, "[proxy_plugins.stowage]",
            [](NodeFacts& facts) { facts.containerd.config.erase("proxy_plugins"); }, k16},
           {"proxy-plugin-type", Severity::kError, "\"snapshots\"",
            [](NodeFacts& facts) { ProxyPlugin(facts)["type"] = "snapshots"; }},
           {"proxy-plugin-address", Severity::kError, "/run/other.sock",
            [](NodeFacts& facts) { ProxyPlugin(facts)["address"] = "/run/other.sock"; }},
           {"capability-rebase", Severity::kError, "parents",
            [](NodeFacts& facts) { ProxyPlugin(facts)["capabilities"] = {"rebase"}; }},
           {"capability-unsupported", Severity::kError, "\"other\"",
            [](NodeFacts& facts) {
              ProxyPlugin(facts)["capabilities"] = {"remap-ids", "other"};
            }},
           {"remap-ids-missing", Severity::kWarning, "hostUsers",
            [](NodeFacts& facts) { ProxyPlugin(facts).erase("capabilities"); }, k17},
           {"remap-ids-impossible", Severity::kError, "needs Linux 6.12", [](NodeFacts& facts) {
              facts.machine.id_mapping = absl::FailedPreconditionError("needs Linux 6.12");
            }}})
    CheckCase(wrong);
  NodeFacts facts = HealthyNode();
  ProxyPlugin(facts)["address"] = "unix:///run/stowage/snapshotter.sock";
  CHECK(CheckProxyPlugin(facts).empty());
  // without the capability on a kernel without: as it should be
  ProxyPlugin(facts).erase("capabilities");
  facts.machine.id_mapping = absl::FailedPreconditionError("needs Linux 6.12");
  CHECK(CheckProxyPlugin(facts).empty());
}

TEST_CASE("doctor finds what keeps images from the snapshotter", "[doctor]") {
  const json overlayfs = {{"platform", "linux/amd64"}, {"snapshotter", "overlayfs"}};
  const json ours = {{"platform", "linux/amd64"}, {"snapshotter", "stowage"}};
  const json arm = {{"platform", "linux/arm64"}, {"snapshotter", "stowage"}};
  const json zot = {{"platform", "linux/amd64"}, {"snapshotter", "zot"}};
  const auto unpack = [](const json& list) {
    return [list](NodeFacts& facts) { UnpackConfig(facts) = list; };
  };
  for (const Case& wrong : std::vector<Case>{
           {"unpack-config-missing", Severity::kError, "no unpack platforms defined",
            unpack(json::array({overlayfs}))},
           {"unpack-config-missing", Severity::kError, "no unpack platforms defined",
            unpack(json::array()), k20},
           {"unpack-config-missing", Severity::kError, "only linux/arm64",
            unpack(json::array({overlayfs, arm}))},
           {"unpack-config-overlayfs", Severity::kWarning, "overlayfs",
            unpack(json::array({ours}))},
           {"unpack-config-unknown", Severity::kError, "\"zot\"",
            unpack(json::array({overlayfs, ours, zot}))},
           {"cri-snapshotter", Severity::kWarning, "overlayfs",
            [](NodeFacts& facts) { CriContainerd(facts)["snapshotter"] = "overlayfs"; }},
           {"cri-snapshotter", Severity::kWarning, "drops",
            [](NodeFacts& facts) {
              CriContainerd(facts)["snapshotter"] = "overlayfs";
              facts.containerd.files = {
                  File("/a.toml",
                       "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
                       "snapshotter = \"stowage\"\n")};
            }},
           {"discard-unpacked-layers", Severity::kWarning, "set it to false",
            [](NodeFacts& facts) { CriContainerd(facts)["discard_unpacked_layers"] = true; }, k16},
           {"cri-local-pull", Severity::kNote, "old way",
            [](NodeFacts& facts) { CriContainerd(facts)["use_local_image_pull"] = true; }},
           {"cri-local-pull", Severity::kNote, "old way",
            [](NodeFacts& facts) { CriContainerd(facts)["disable_snapshot_annotations"] = false; }},
           {"pull-timeout", Severity::kWarning, "8s",
            [](NodeFacts& facts) {
              facts.containerd
                  .config["plugins"]["io.containerd.grpc.v1.cri"]["image_pull_progress_timeout"] =
                  "8s";
            },
            k17}})
    CheckCase(wrong);
  for (const std::string platform : {"linux", "amd64", "linux/amd64/v1"}) {
    NodeFacts facts = HealthyNode(k21);
    UnpackConfig(facts)[1]["platform"] = platform;
    CHECK(CheckUnpacking(facts).empty());
  }
  // Transfer pulls do not count the time of resolving.
  NodeFacts transfer = HealthyNode(k21);
  CriContainerd(transfer)["image_pull_progress_timeout"] = "8s";
  CHECK(CheckUnpacking(transfer).empty());
}

TEST_CASE("doctor takes a runtime's snapshotter for a choice", "[doctor]") {
  NodeFacts facts = HealthyNode(k21);
  CriContainerd(facts)["snapshotter"] = "overlayfs";
  facts.containerd.config["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"] = {
      {"nix", {{"snapshotter", "stowage"}}}};
  const std::vector<Finding> findings = CheckUnpacking(facts);
  CHECK(Ids(findings) == std::vector<std::string>{"cri-snapshotter-by-runtime"});
}

TEST_CASE("doctor asks nothing of CRI where it is switched off", "[doctor]") {
  NodeFacts facts = HealthyNode(GENERATE(values<ContainerdVersion>({k16, k21})));
  facts.containerd.config["disabled_plugins"] = {"io.containerd.grpc.v1.cri"};
  CriContainerd(facts)["snapshotter"] = "overlayfs";
  CriRegistry(facts)["config_path"] = "";
  CHECK(Ids(CheckNode(facts)) == std::vector<std::string>{"short-names-off", "cri-disabled"});
}

TEST_CASE("doctor finds what is wrong with Stowage itself", "[doctor]") {
  for (const Case& wrong : std::vector<Case>{
           {"stowage-config", Severity::kError, "unknown key",
            [](NodeFacts& facts) {
              facts.stowage.config_readable = absl::InvalidArgumentError("unknown key");
            }},
           {"stowaged-unreachable", Severity::kError, "start stowaged",
            [](NodeFacts& facts) { facts.stowage.reachable = absl::UnavailableError("refused"); }},
           {"stowaged-version", Severity::kWarning, "0.0.0",
            [](NodeFacts& facts) { facts.stowage.version = "0.0.0"; }},
           {"snapshotter-off", Severity::kError, "snapshotter.socket",
            [](NodeFacts& facts) { facts.stowage.snapshotter_socket = ""; }},
           {"snapshotter-socket", Severity::kError, "refused",
            [](NodeFacts& facts) {
              facts.stowage.snapshotter_reachable = absl::UnavailableError("refused");
            }},
           {"endpoint-off", Severity::kError, "registry.address",
            [](NodeFacts& facts) { facts.stowage.endpoint = ""; }},
           {"endpoint-unreachable", Severity::kError, "http://127.0.0.1:5080",
            [](NodeFacts& facts) {
              facts.stowage.endpoint_reachable = absl::UnavailableError("refused");
            }},
           {"fuse-mount", Severity::kError, "/run/stowage/fs",
            [](NodeFacts& facts) { facts.stowage.fuse_mounted = false; }},
           {"fuse-data", Severity::kWarning, "a mount keeps its mode",
            [](NodeFacts& facts) { facts.stowage.fuse_wanted.data = "passthrough"; }},
           {"fuse-data-mode", Severity::kNote, "passthrough",
            [](NodeFacts& facts) {
              facts.stowage.fuse.data = "passthrough";
              facts.stowage.fuse_wanted.data = "auto";
            }},
           {"fuse-extended-attributes", Severity::kWarning,
            "has extended attributes, and fuse.extended_attributes is false",
            [](NodeFacts& facts) { facts.stowage.fuse_wanted.extended_attributes = false; }},
           {"fuse-extended-attributes", Severity::kWarning,
            "does without extended attributes, and fuse.extended_attributes is true",
            [](NodeFacts& facts) { facts.stowage.fuse.extended_attributes = false; }},
           {"view-driver", Severity::kNote, "overlay: configured",
            [](NodeFacts& facts) {
              facts.stowage.driver = "overlay";
              facts.stowage.driver_reason = "configured";
              facts.stowage.fuse_mounted = false;  // is not needed
            }},
           {"database-newer", Severity::kError, "newer Stowage",
            [](NodeFacts& facts) { facts.stowage.database_version = kSchemaVersion + 1; }},
           {"database-older", Severity::kNote, "when it starts",
            [](NodeFacts& facts) { facts.stowage.database_version = kSchemaVersion - 1; }}})
    CheckCase(wrong);
}

TEST_CASE("doctor finds what spoils kubelet's view of the disk", "[doctor]") {
  for (const Case& wrong : std::vector<Case>{
           {"exports-root-unset", Severity::kWarning, "root = \"/var/lib/stowage\"",
            [](NodeFacts& facts) { ProxyPlugin(facts).erase("exports"); }, k17},
           {"exports-root-missing", Severity::kWarning, "invalid capacity 0",
            [](NodeFacts& facts) {
              ProxyPlugin(facts)["exports"]["root"] = "/gone";
              facts.machine.directories["/gone"] = {};
            }},
           {"exports-root-missing", Severity::kWarning,
            "ln -s /var/lib/stowage /var/lib/containerd/io.containerd.snapshotter.v1.stowage",
            [](NodeFacts& facts) { facts.machine.directories[facts.ImageDirectory()] = {}; }, k16},
           {"exports-root-elsewhere", Severity::kWarning, "/data",
            [](NodeFacts& facts) {
              ProxyPlugin(facts)["exports"]["root"] = "/data";
              facts.machine.directories["/data"] = {true, 2};
            }},
           {"store-elsewhere", Severity::kWarning, "paths.state",
            [](NodeFacts& facts) { facts.machine.directories["/nix/store"].device = 2; }}})
    CheckCase(wrong);
}

TEST_CASE("doctor finds what the machine lacks", "[doctor]") {
  const auto kernel = [](int major, int minor) {
    return [major, minor](NodeFacts& facts) {
      facts.machine.kernel_major = major;
      facts.machine.kernel_minor = minor;
    };
  };
  for (const Case& wrong : std::vector<Case>{
           {"fuse-device", Severity::kError, "modprobe fuse",
            [](NodeFacts& facts) { facts.machine.fuse_device = false; }},
           {"nix-missing", Severity::kError, "nix.program_directory",
            [](NodeFacts& facts) { facts.machine.nix = absl::UnavailableError("no nix-store"); }},
           {"nix-too-old", Severity::kError, "2.3.16",
            [](NodeFacts& facts) { facts.machine.nix_version = "2.3.16"; }},
           {"mount-max", Severity::kWarning, "fs.mount-max=400000",
            [](NodeFacts& facts) { facts.machine.mounts = 50001; }},
           {"kernel-user-namespaces", Severity::kNote, "6.3", kernel(6, 2)},
           {"kernel-idmap", Severity::kNote, "6.12", kernel(6, 11)}})
    CheckCase(wrong);
  NodeFacts facts = HealthyNode();
  facts.machine.nix_version = "2.26.3";
  facts.machine.kernel_minor = 12;
  facts.machine.mounts = 50000;
  CHECK(CheckMachine(facts).empty());
  facts.machine.kernel_minor = 11;
  facts.stowage.driver = "overlay";
  CHECK(CheckMachine(facts).empty());
  facts.machine.kernel_major = 5;
  facts.machine.kernel_minor = 19;
  CHECK(Ids(CheckMachine(facts)) == std::vector<std::string>{"kernel-user-namespaces"});
  facts.machine.kernel_minor = 18;
  CHECK(Ids(CheckMachine(facts)) ==
        std::vector<std::string>{"kernel-idmap", "kernel-user-namespaces"});
}

TEST_CASE("doctor names the worst first, and dependency confusion before all", "[doctor]") {
  NodeFacts facts = HealthyNode();
  facts.machine.fuse_device = false;
  facts.machine.kernel_minor = 1;
  ProxyPlugin(facts).erase("exports");
  facts.hosts["nix.local"].exists = false;
  CHECK(Ids(CheckNode(facts)) ==
        std::vector<std::string>{"hosts-missing", "fuse-device", "exports-root-unset",
                                 "short-names-off", "kernel-idmap", "kernel-user-namespaces"});
}

TEST_CASE("doctor judges nothing that it could not find out", "[doctor]") {
  NodeFacts facts;
  facts.containerd.config_readable = absl::InvalidArgumentError("bad");
  facts.containerd.reachable = absl::NotFoundError("none");
  const std::vector<Finding> findings = CheckNode(facts);
  for (const std::string& id : Ids(findings)) {
    INFO(id);
    CHECK_FALSE(absl::StartsWith(id, "kernel-"));
    CHECK_FALSE(absl::StartsWith(id, "proxy-"));
    CHECK_FALSE(absl::StartsWith(id, "cri-"));
  }
}

}  // namespace
}  // namespace stowage
