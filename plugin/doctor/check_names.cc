// Dependency confusion: whether a name of ours can lead to a registry of others.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "plugin/doctor/checks.h"
#include "plugin/setup/hosts_plan.h"

namespace stowage {
namespace {

constexpr char kDockerHub[] = "docker.io";

// What comes after our endpoint when that does not answer.
std::string Successors(const HostsFile& file, absl::string_view endpoint,
                       absl::string_view registry) {
  std::vector<std::string> urls;
  for (const HostsFile::Host& host : file.hosts)
    if (!IsOurEndpoint(host.url, endpoint)) urls.push_back(host.url);
  urls.push_back(file.server.empty() ? std::string(registry) : file.server);
  return absl::StrJoin(urls, ", then ");
}

std::vector<Finding> CheckOwnHost(const NodeFacts& facts, const std::string& host,
                                  const HostsFacts& hosts) {
  const std::string& endpoint = facts.stowage.endpoint;
  const std::string fix = absl::StrCat("write server and [host.\"...\"] = ", endpoint,
                                       " there: run 'stowage setup containerd'");
  const auto danger = [&](const char* id, const std::string& problem) {
    return std::vector<Finding>{
        {id, Severity::kDanger, absl::StrCat(hosts.path, ": ", problem), fix}};
  };
  if (!hosts.exists)
    return danger("hosts-missing",
                  absl::StrCat("is not there, so containerd asks the network who ", host, " is"));
  if (!hosts.readable.ok())
    return danger("hosts-unreadable", absl::StrCat(hosts.readable.message()));
  const HostsFile& file = hosts.file;
  if (!file.has_host_table &&
      (!facts.containerd.version || !facts.containerd.version->ReadsHostsWithoutHostTable()))
    return danger("hosts-no-host-table",
                  absl::StrCat("has no [host] table, so this containerd ignores it and asks the "
                               "network who ",
                               host, " is"));
  if (file.server.empty())
    return danger("hosts-no-server",
                  absl::StrCat("has no server, so containerd asks the network who ", host,
                               " is whenever the endpoint fails or is down"));
  if (!IsOurEndpoint(file.server, endpoint))
    return danger("hosts-other-server", absl::StrCat("server is ", file.server,
                                                     ", which gets names that are ours; the "
                                                     "endpoint is ",
                                                     endpoint));
  for (const HostsFile::Host& other : file.hosts)
    if (!IsOurEndpoint(other.url, endpoint))
      return danger("hosts-other-host", absl::StrCat("[host.\"", other.url,
                                                     "\"] gets names that are ours; the endpoint "
                                                     "is ",
                                                     endpoint));
  for (const HostsFile::Host& ours : file.hosts)
    if (!ours.pull || !ours.resolve)
      return {{"hosts-capabilities", Severity::kWarning,
               absl::StrCat(hosts.path, ": [host.\"", ours.url,
                            "\"] lacks the capability pull or resolve, so every request takes the "
                            "way by the server"),
               fix}};
  return {};
}

Finding ShortNamesOff() {
  return {
      "short-names-off", Severity::kNote,
      "nix/NAME without a host is docker.io/nix/NAME for CRI and nerdctl, and comes from Docker "
      "Hub: whoever owns that name there decides what runs",
      "write nix.local/NAME; or run 'stowage setup containerd --short-names'"};
}

std::string NameDockerServer(const HostsFacts& hosts) {
  return absl::StrCat("write server = \"", kDockerServer, "\" into ", hosts.path);
}

std::vector<Finding> CheckDockerRoute(const NodeFacts& facts, const HostsFacts& hosts,
                                      size_t place) {
  const std::string& endpoint = facts.stowage.endpoint;
  const HostsFile& file = hosts.file;
  const std::string next = Successors(file, endpoint, kDockerServer);
  if (!file.order_known)
    return {{"short-names-not-first", Severity::kDanger,
             absl::StrCat(hosts.path,
                          ": not each host has a table with the header [host.\"URL\"], so another "
                          "one may be asked for docker.io/nix/... before us"),
             "write such tables, ours first"}};
  if (place != 0)
    return {{"short-names-not-first", Severity::kDanger,
             absl::StrCat(hosts.path, ": ", file.hosts[0].url,
                          " is asked for docker.io/nix/... before us"),
             "move our [host] table before all others"}};
  if (!file.hosts[0].resolve || !file.hosts[0].pull)
    return {
        {"short-names-capabilities", Severity::kDanger,
         absl::StrCat(hosts.path, ": our [host] table lacks the capability resolve or pull, so ",
                      next, " is asked for docker.io/nix/..."),
         "give it capabilities = [\"pull\", \"resolve\"]"}};
  if (file.hosts.size() == 1 && IsOurEndpoint(file.server, endpoint))
    return {{"short-names-captive", Severity::kError,
             absl::StrCat(hosts.path,
                          ": leads to us alone, who have nothing else of docker.io: every other "
                          "image of Docker Hub is 'not found'"),
             NameDockerServer(hosts)}};
  if (!facts.stowage.endpoint_reachable.ok())
    return {{"short-names-down", Severity::kDanger,
             absl::StrCat("the endpoint does not answer, so docker.io/nix/... (nix/... in CRI and "
                          "nerdctl) is asked of ",
                          next, " right now"),
             absl::StrCat("start stowaged; meanwhile remove our [host] table from ", hosts.path,
                          " or pull no such names")}};
  return {{"short-names-on", Severity::kNote,
           absl::StrCat("docker.io/nix/... (nix/... in CRI and nerdctl) is ours while stowaged is "
                        "up; while it is down, containerd asks ",
                        next, " for it, where whoever owns the name decides what runs"),
           "where that matters, write nix.local/..."}};
}

}  // namespace

std::vector<Finding> CheckOwnNames(const NodeFacts& facts) {
  std::vector<Finding> findings;
  if (facts.stowage.endpoint.empty()) return findings;
  for (const char* host : kOwnHosts) {
    const auto hosts = facts.hosts.find(host);
    if (hosts == facts.hosts.end()) continue;
    for (Finding& finding : CheckOwnHost(facts, host, hosts->second))
      findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<Finding> CheckShortNames(const NodeFacts& facts) {
  const auto hosts = facts.hosts.find(kDockerHub);
  if (hosts == facts.hosts.end() || facts.stowage.endpoint.empty()) return {};
  if (!hosts->second.readable.ok())
    return {{"hosts-unreadable", Severity::kDanger,
             absl::StrCat(hosts->second.path, ": ", hosts->second.readable.message(),
                          ", so docker.io/nix/... (nix/... in CRI and nerdctl) is not asked of us"),
             "correct the file"}};
  const auto& all = hosts->second.file.hosts;
  for (size_t place = 0; place < all.size(); ++place)
    if (IsOurEndpoint(all[place].url, facts.stowage.endpoint))
      return CheckDockerRoute(facts, hosts->second, place);
  if (IsOurEndpoint(hosts->second.file.server, facts.stowage.endpoint) && all.empty())
    return {{"short-names-captive", Severity::kError,
             absl::StrCat(hosts->second.path,
                          ": leads to us alone, who have nothing else of "
                          "docker.io"),
             NameDockerServer(hosts->second)}};
  return {ShortNamesOff()};
}

std::vector<Finding> CheckConfigPath(const NodeFacts& facts) {
  constexpr char kMoveOld[] =
      "move registry.mirrors and registry.configs.*.tls to hosts.toml files";
  if (!facts.HasCri() || !facts.containerd.config_readable.ok()) return {};
  TomlPath path = facts.Cri().registry;
  const bool has_old = HasOldRegistrySettings(facts.containerd.config, path);
  path.push_back("config_path");
  const std::string config_path = StringIn(facts.containerd.config, path, "");
  if (config_path.empty())
    return {{"config-path-unset", Severity::kDanger,
             absl::StrCat(PathToToml(path),
                          " is not set, so CRI reads no hosts.toml and asks the network who "
                          "nix.local is"),
             has_old ? absl::StrCat(kMoveOld, ", then ", kRunSetup) : kRunSetup}};
  if (has_old)
    return {{"config-path-and-mirrors", Severity::kError,
             "CRI does not start with both registry.config_path and registry.mirrors or "
             "registry.configs.*.tls",
             kMoveOld}};
  if (absl::StrContains(config_path, ':') && facts.CriPullsByTransfer())
    return {{"config-path-list", Severity::kDanger,
             absl::StrCat(PathToToml(path), " = \"", config_path,
                          "\": containerd 2.1 and later do not divide this list when CRI pulls, "
                          "read no hosts.toml, and ask the network who nix.local is"),
             absl::StrCat("name one directory: ", kRunSetup)}};
  return {};
}

}  // namespace stowage
