#include "tests/plugin/doctor/healthy_node.h"

#include "plugin/version.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

using nlohmann::json;

constexpr char kEndpoint[] = "http://127.0.0.1:5080";

json& At(json& root, const TomlPath& path) {
  json* node = &root;
  for (const std::string& key : path) node = &(*node)[key];
  return *node;
}

HostsFacts Hosts(const std::string& host, const std::string& text) {
  HostsFacts facts;
  facts.path = "/etc/containerd/certs.d/" + host + "/hosts.toml";
  facts.exists = !text.empty();
  const auto file = ParseHostsFile(text, facts.path);
  REQUIRE_OK(file);
  facts.file = *file;
  return facts;
}

}  // namespace

NodeFacts HealthyNode(const ContainerdVersion& version) {
  NodeFacts facts;
  facts.containerd.version = version;
  facts.containerd.config_path = "/etc/containerd/config.toml";
  json& config = facts.containerd.config;
  config["version"] = version.ConfigVersion();
  config["root"] = "/var/lib/containerd";
  ProxyPlugin(facts) = {{"type", "snapshot"}, {"address", "/run/stowage/snapshotter.sock"}};
  if (version.HasExports()) {
    ProxyPlugin(facts)["exports"] = {{"root", "/var/lib/stowage"}};
    ProxyPlugin(facts)["capabilities"] = {"remap-ids"};
  }
  CriContainerd(facts)["snapshotter"] = "stowage";
  CriRegistry(facts)["config_path"] = "/etc/containerd/certs.d";
  if (version.HasTransferUnpack())
    UnpackConfig(facts) = {{{"platform", "linux/amd64"}, {"snapshotter", "overlayfs"}},
                           {{"platform", "linux/amd64"}, {"snapshotter", "stowage"}}};
  for (const char* host : {"nix", "nix.local"})
    facts.hosts[host] = Hosts(host, HostsTextForOwnName(kEndpoint));
  facts.hosts["docker.io"] = Hosts("docker.io", "");

  facts.stowage.version = kVersion;
  facts.stowage.snapshotter_socket = "/run/stowage/snapshotter.sock";
  facts.stowage.endpoint = kEndpoint;
  facts.stowage.state_directory = "/var/lib/stowage";
  facts.stowage.mountpoint = "/run/stowage/fs";
  facts.stowage.fuse_mounted = true;
  facts.stowage.fuse.data = facts.stowage.fuse_wanted.data = "cached";

  facts.machine.fuse_device = true;
  facts.machine.kernel_major = 6;
  facts.machine.kernel_minor = 18;
  facts.machine.mount_max = 100000;
  facts.machine.mounts = 40;
  facts.machine.nix_version = "2.8.0";
  facts.machine.platform = "linux/amd64";
  for (const std::string& path :
       {std::string("/nix/store"), facts.stowage.state_directory, facts.ImageDirectory()})
    facts.machine.directories[path] = {true, 1};
  return facts;
}

json& ProxyPlugin(NodeFacts& facts) {
  return At(facts.containerd.config, {"proxy_plugins", "stowage"});
}

json& CriContainerd(NodeFacts& facts) {
  return At(facts.containerd.config, facts.Cri().containerd);
}

json& CriRegistry(NodeFacts& facts) { return At(facts.containerd.config, facts.Cri().registry); }

json& UnpackConfig(NodeFacts& facts) { return At(facts.containerd.config, UnpackConfigPath()); }

std::vector<std::string> Ids(const std::vector<Finding>& findings) {
  std::vector<std::string> ids;
  for (const Finding& finding : findings) ids.push_back(finding.id);
  return ids;
}

Finding Find(const std::vector<Finding>& findings, const std::string& id) {
  for (const Finding& finding : findings) {
    if (finding.id != id) continue;
    CHECK_FALSE(finding.problem.empty());
    if (finding.severity != Severity::kNote) CHECK_FALSE(finding.fix.empty());
    return finding;
  }
  std::string all;
  for (const Finding& finding : findings) all += finding.id + " ";
  INFO("found: " << all);
  FAIL("no finding " << id);
  return {};
}

}  // namespace stowage::testing
