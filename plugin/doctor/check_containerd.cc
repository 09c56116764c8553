// Whether containerd knows the snapshotter.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "plugin/doctor/checks.h"

namespace stowage {
namespace {

// Capabilities that the snapshotter has. `rebase` never: a snapshot is found by its parent, which
// that takes away (containerd 2.2, parallel unpacking).
constexpr absl::string_view kCapabilities[] = {"remap-ids", "only-remap-ids"};

// Tables of plugins that several files have, which containerd 1.x does not merge.
std::vector<Finding> CheckHiddenTables(const ContainerdFacts& containerd) {
  std::vector<Finding> findings;
  if (!containerd.version || containerd.version->MergesPluginTables()) return findings;
  for (auto file = containerd.files.begin(); file != containerd.files.end(); ++file) {
    const nlohmann::json* const plugins = FindIn(file->values, {"plugins"});
    if (plugins == nullptr || !plugins->is_object()) continue;
    for (const auto& [plugin, table] : plugins->items())
      for (auto later = std::next(file); later != containerd.files.end(); ++later)
        if (FindIn(later->values, {"plugins", plugin}) != nullptr)
          findings.push_back({"config-table-hidden", Severity::kError,
                              absl::StrCat(later->path, " replaces the whole table ",
                                           PathToToml({"plugins", plugin}), " of ", file->path,
                                           ": this containerd does not merge the two"),
                              "move all of that table into one file"});
  }
  return findings;
}

// Files of several configuration versions, whose plugins have different names.
std::vector<Finding> CheckMixedVersions(const ContainerdFacts& containerd) {
  for (const ContainerdFile& file : containerd.files)
    if (file.ConfigVersion() != containerd.files[0].ConfigVersion() &&
        FindIn(file.values, {"plugins"}) != nullptr)
      return {{"config-versions-mixed", Severity::kError,
               absl::StrCat(file.path, " has configuration version ", file.ConfigVersion(), ", ",
                            containerd.files[0].path, " has ", containerd.files[0].ConfigVersion(),
                            ": settings of one of them are ignored, or containerd does not start"),
               "give both the same version ('containerd config migrate')"}};
  return {};
}

Finding UnsupportedCapability(absl::string_view capability, const NodeFacts& facts) {
  const std::string what = absl::StrCat("[proxy_plugins.", facts.name,
                                        "] declares the capability \"", capability, "\", ");
  const std::string fix = absl::StrCat("remove \"", capability, "\" from capabilities");
  if (capability == "rebase")
    return {"capability-rebase", Severity::kError,
            absl::StrCat(what,
                         "with which containerd hides the parents of layers that the "
                         "snapshotter finds its images by"),
            fix};
  return {"capability-unsupported", Severity::kError,
          absl::StrCat(what, "which this snapshotter does not have"), fix};
}

// Whether containerd leaves the ids of containers in user namespaces to the snapshotter exactly
// where the kernel lets it map them.
std::vector<Finding> CheckRemapIds(const std::string& table, const nlohmann::json& plugin,
                                   const NodeFacts& facts) {
  const std::vector<std::string> capabilities = StringsIn(plugin, {"capabilities"});
  const bool declared =
      std::find(capabilities.begin(), capabilities.end(), "remap-ids") != capabilities.end();
  const absl::Status& possible = facts.machine.id_mapping;
  if (declared && !possible.ok())
    return {{"remap-ids-impossible", Severity::kError,
             absl::StrCat(table,
                          " declares the capability \"remap-ids\", but containers in user "
                          "namespaces are refused: ",
                          possible.message()),
             "take \"remap-ids\" out of capabilities, or boot a kernel that can"}};
  const auto& version = facts.containerd.version;
  if (declared || !possible.ok() || !version || !version->HasExports()) return {};
  return {{"remap-ids-missing", Severity::kWarning,
           absl::StrCat(table,
                        " does not declare the capability \"remap-ids\": for each container in a "
                        "user namespace (hostUsers: false) containerd copies all files of its "
                        "image to change their owners"),
           absl::StrCat("write capabilities = [\"remap-ids\"]: ", kRunSetup)}};
}

// The path of a socket as [proxy_plugins] writes it.
absl::string_view SocketPath(absl::string_view address) {
  return absl::StripPrefix(address, "unix://");
}

}  // namespace

std::vector<Finding> CheckContainerd(const NodeFacts& facts) {
  const ContainerdFacts& containerd = facts.containerd;
  std::vector<Finding> findings;
  if (!containerd.reachable.ok())
    findings.push_back({"containerd-unreachable", Severity::kError,
                        std::string(containerd.reachable.message()),
                        "start containerd, or name its socket with --address"});
  if (containerd.version && !containerd.version->Supported())
    findings.push_back(
        {"containerd-too-old", Severity::kError,
         absl::StrCat("containerd ", containerd.version->ToString(), " is older than 1.6"),
         "install 1.6 or later"});
  if (!containerd.config_readable.ok())
    findings.push_back({"config-unreadable", Severity::kError,
                        absl::StrCat("containerd's configuration ", containerd.config_path, ": ",
                                     containerd.config_readable.message()),
                        "correct the file; containerd will not start with it"});
  if (containerd.changed_since_start)
    findings.push_back({"containerd-not-restarted", Severity::kWarning,
                        "a configuration file is younger than the running containerd, which goes "
                        "on with what it read at its start",
                        "systemctl restart containerd"});
  for (Finding& finding : CheckHiddenTables(containerd)) findings.push_back(std::move(finding));
  for (Finding& finding : CheckMixedVersions(containerd)) findings.push_back(std::move(finding));
  if (!containerd.sees_mount.ok())
    findings.push_back({"mount-namespace", Severity::kError,
                        std::string(containerd.sees_mount.message()),
                        "run all three in the host's mount namespace"});
  return findings;
}

std::vector<Finding> CheckProxyPlugin(const NodeFacts& facts) {
  if (!facts.containerd.config_readable.ok()) return {};
  const std::string table = absl::StrCat("[proxy_plugins.", facts.name, "]");
  const nlohmann::json* const plugin = facts.ProxyPlugin();
  if (plugin == nullptr)
    return {{"proxy-plugin-missing", Severity::kError,
             absl::StrCat(facts.containerd.config_path, " has no ", table,
                          ", so containerd knows no snapshotter of that name"),
             kRunSetup}};
  std::vector<Finding> findings;
  const std::string type = StringIn(*plugin, {"type"}, "");
  if (type != "snapshot")
    findings.push_back(
        {"proxy-plugin-type", Severity::kError,
         absl::StrCat(table, " has type = \"", type,
                      "\", which containerd takes for no snapshotter; it only warns"),
         absl::StrCat("write type = \"snapshot\": ", kRunSetup)});
  const std::string address = StringIn(*plugin, {"address"}, "");
  const std::string& socket = facts.stowage.snapshotter_socket;
  if (!socket.empty() && SocketPath(address) != socket)
    findings.push_back(
        {"proxy-plugin-address", Severity::kError,
         absl::StrCat(table, " has address = \"", address, "\", but stowaged listens on ", socket),
         absl::StrCat("write address = \"", socket, "\": ", kRunSetup)});
  for (const std::string& capability : StringsIn(*plugin, {"capabilities"}))
    if (std::find(std::begin(kCapabilities), std::end(kCapabilities), capability) ==
        std::end(kCapabilities))
      findings.push_back(UnsupportedCapability(capability, facts));
  for (Finding& finding : CheckRemapIds(table, *plugin, facts))
    findings.push_back(std::move(finding));
  return findings;
}

}  // namespace stowage
