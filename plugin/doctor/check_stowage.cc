// Stowage's own processes and state, and the disk that kubelet measures.
#include "absl/strings/str_cat.h"
#include "plugin/doctor/checks.h"
#include "plugin/state/schema.h"
#include "plugin/version.h"

namespace stowage {
namespace {

constexpr char kStore[] = "/nix/store";

const DirectoryFacts* DirectoryAt(const NodeFacts& facts, const std::string& path) {
  const auto found = facts.machine.directories.find(path);
  return found == facts.machine.directories.end() ? nullptr : &found->second;
}

// Two directories that both exist, on different file systems.
bool Apart(const DirectoryFacts* a, const DirectoryFacts* b) {
  return a != nullptr && b != nullptr && a->exists && b->exists && a->device != b->device;
}

std::vector<Finding> CheckDatabase(const StowageFacts& stowage) {
  if (!stowage.database_version || *stowage.database_version == kSchemaVersion) return {};
  const std::string path = stowage.state_directory + "/stowage.db";
  if (*stowage.database_version > kSchemaVersion)
    return {
        {"database-newer", Severity::kError,
         absl::StrCat(path, " was written by a newer Stowage (schema ", *stowage.database_version,
                      ", this one knows ", kSchemaVersion, "): stowaged does not start with it"),
         "install that version again"}};
  return {{"database-older", Severity::kNote,
           absl::StrCat(path, " has schema ", *stowage.database_version, "; stowaged ", kVersion,
                        " brings it to ", kSchemaVersion, " when it starts"),
           ""}};
}

std::vector<Finding> CheckFuseSettings(const StowageFacts& stowage) {
  if (stowage.fuse.data.empty()) return {};
  constexpr char kFix[] =
      "when no container runs, stop and start stowage-fuse, with --config "
      "naming stowaged's configuration";
  const FuseMountSettings& wanted = stowage.fuse_wanted;
  std::vector<Finding> findings;
  if (wanted.data != "auto" && stowage.fuse.data != wanted.data)
    findings.push_back(
        {"fuse-data", Severity::kWarning,
         absl::StrCat("stowage-fuse reads the store in data mode ", stowage.fuse.data,
                      ", and fuse.data is ", wanted.data, ": a mount keeps its mode"),
         kFix});
  else if (wanted.data != "cached")
    findings.push_back(
        {"fuse-data-mode", Severity::kNote,
         absl::StrCat("stowage-fuse reads the store in data mode ", stowage.fuse.data), ""});
  if (stowage.fuse.extended_attributes != wanted.extended_attributes)
    findings.push_back(
        {"fuse-extended-attributes", Severity::kWarning,
         absl::StrCat("the file system of stowage-fuse ",
                      stowage.fuse.extended_attributes ? "has" : "does without",
                      " extended attributes, and fuse.extended_attributes is ",
                      wanted.extended_attributes ? "true" : "false", ": a mount keeps them"),
         kFix});
  return findings;
}

}  // namespace

std::vector<Finding> CheckStowage(const NodeFacts& facts) {
  const StowageFacts& stowage = facts.stowage;
  std::vector<Finding> findings;
  if (!stowage.config_readable.ok())
    findings.push_back({"stowage-config", Severity::kError,
                        std::string(stowage.config_readable.message()),
                        "correct it; 'stowaged --check-config' says when it is right"});
  if (!stowage.reachable.ok())
    findings.push_back({"stowaged-unreachable", Severity::kError,
                        std::string(stowage.reachable.message()), "start stowaged"});
  if (stowage.reachable.ok() && !stowage.version.empty() && stowage.version != kVersion)
    findings.push_back({"stowaged-version", Severity::kWarning,
                        absl::StrCat("stowaged is ", stowage.version, ", this program ", kVersion),
                        "restart stowaged, or run the program that belongs to it"});
  if (stowage.snapshotter_socket.empty())
    findings.push_back({"snapshotter-off", Severity::kError,
                        "snapshotter.socket is off: stowaged is no snapshotter on this node",
                        "name a socket in stowaged's configuration"});
  else if (!stowage.snapshotter_reachable.ok())
    findings.push_back({"snapshotter-socket", Severity::kError,
                        absl::StrCat("containerd cannot reach the snapshotter: ",
                                     stowage.snapshotter_reachable.message()),
                        "start stowaged"});
  if (stowage.endpoint.empty())
    findings.push_back({"endpoint-off", Severity::kError,
                        "registry.address has no address and port that hosts.toml could name",
                        "write one, as 127.0.0.1:5080, in stowaged's configuration"});
  else if (!stowage.endpoint_reachable.ok())
    findings.push_back({"endpoint-unreachable", Severity::kError,
                        absl::StrCat("the registry endpoint ", stowage.endpoint,
                                     " does not answer: ", stowage.endpoint_reachable.message()),
                        "start stowaged, and let registry.address be what hosts.toml names"});
  if (!stowage.driver.empty())
    findings.push_back({"view-driver", Severity::kNote,
                        absl::StrCat("new containers see the Nix store by ", stowage.driver, ": ",
                                     stowage.driver_reason),
                        ""});
  if (!stowage.fuse_mounted && stowage.driver != "overlay")
    findings.push_back({"fuse-mount", Severity::kError,
                        absl::StrCat("stowage-fuse has not mounted ", stowage.mountpoint,
                                     ": containers of Nix images do not start"),
                        absl::StrCat("start stowage-fuse --state ", stowage.state_directory,
                                     " --mountpoint ", stowage.mountpoint)});
  for (Finding& finding : CheckFuseSettings(stowage)) findings.push_back(std::move(finding));
  for (Finding& finding : CheckDatabase(stowage)) findings.push_back(std::move(finding));
  return findings;
}

std::vector<Finding> CheckDisk(const NodeFacts& facts) {
  // Only kubelet looks, and only at that of CRI's snapshotter.
  const bool measured = facts.HasCri() && facts.ProxyPlugin() != nullptr &&
                        facts.CriSnapshotter() == facts.name &&
                        facts.containerd.config_readable.ok() && facts.containerd.version;
  if (!measured) return {};
  const std::string& state = facts.stowage.state_directory;
  const std::string images = facts.ImageDirectory();
  const bool has_exports = facts.containerd.version->HasExports();
  const bool exported = FindIn(*facts.ProxyPlugin(), {"exports", "root"}) != nullptr;
  const std::string fix =
      has_exports ? absl::StrCat("write root = \"", state, "\" in [proxy_plugins.", facts.name,
                                 ".exports]: run 'stowage setup containerd'")
                  : absl::StrCat("ln -s ", state, " ", images);
  std::vector<Finding> findings;
  const DirectoryFacts* const directory = DirectoryAt(facts, images);
  if (has_exports && !exported)
    findings.push_back(
        {"exports-root-unset", Severity::kWarning,
         absl::StrCat("[proxy_plugins.", facts.name, ".exports] has no root: kubelet measures ",
                      images, " for images instead of ", state),
         fix});
  else if (directory != nullptr && !directory->exists)
    findings.push_back({"exports-root-missing", Severity::kWarning,
                        absl::StrCat("kubelet measures the disk of ", images,
                                     ", which is not there ('invalid capacity 0 on image "
                                     "filesystem'): no image is ever garbage-collected"),
                        fix});
  else if (Apart(directory, DirectoryAt(facts, state)))
    findings.push_back({"exports-root-elsewhere", Severity::kWarning,
                        absl::StrCat("kubelet measures the disk of ", images,
                                     ", but snapshots are on another file system, in ", state),
                        fix});
  if (Apart(DirectoryAt(facts, state), DirectoryAt(facts, kStore)))
    findings.push_back(
        {"store-elsewhere", Severity::kWarning,
         absl::StrCat(kStore, " and ", state,
                      " are on different file systems: kubelet measures one of them, "
                      "so a full store starts no garbage collection"),
         absl::StrCat("put paths.state on the file system of ", kStore)});
  return findings;
}

}  // namespace stowage
