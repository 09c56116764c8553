// Into which snapshotter images go, and by which way.
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "plugin/doctor/checks.h"

namespace stowage {
namespace {

// Snapshotters that are part of containerd (v2.1.9 plugins/snapshots; zfs and aufs in 1.6).
constexpr const char* kBuiltIn[] = {"overlayfs", "native", "btrfs",     "zfs",
                                    "aufs",      "erofs",  "blockfile", "devmapper"};

bool IsKnownSnapshotter(const NodeFacts& facts, const std::string& name) {
  for (const char* built_in : kBuiltIn)
    if (name == built_in) return true;
  return FindIn(facts.containerd.config, {"proxy_plugins", name}) != nullptr;
}

std::vector<Finding> CheckUnpackConfig(const NodeFacts& facts) {
  std::vector<Finding> findings;
  bool ours = false;
  bool overlayfs = false;
  std::string other_platform;
  const nlohmann::json* const entries = FindIn(facts.containerd.config, UnpackConfigPath());
  const std::string list = PathToToml(UnpackConfigPath());
  const nlohmann::json none = nlohmann::json::array();
  for (const nlohmann::json& entry : entries != nullptr ? *entries : none) {
    const std::string snapshotter = StringIn(entry, {"snapshotter"}, "");
    const std::string platform = StringIn(entry, {"platform"}, "");
    overlayfs |= snapshotter == "overlayfs";
    if (snapshotter == facts.name) {
      const bool here = IsPlatform(platform, facts.machine.platform);
      ours |= here;
      if (!here) other_platform = platform;
    }
    if (!snapshotter.empty() && !IsKnownSnapshotter(facts, snapshotter))
      findings.push_back(
          {"unpack-config-unknown", Severity::kError,
           absl::StrCat(list, " names the snapshotter \"", snapshotter,
                        "\", which is not configured: containerd's transfer service "
                        "does not load, and no image can be pulled"),
           absl::StrCat("add [proxy_plugins.", snapshotter, "] or remove the entry")});
  }
  if (!ours)
    findings.push_back(
        {"unpack-config-missing", Severity::kError,
         absl::StrCat(list, " has no entry for ", facts.name, " on ", facts.machine.platform,
                      other_platform.empty() ? "" : absl::StrCat(" (only ", other_platform, ")"),
                      ": pulls into it end with 'no unpack platforms defined'"),
         kRunSetup});
  if (ours && !overlayfs)
    findings.push_back({"unpack-config-overlayfs", Severity::kWarning,
                        absl::StrCat(list,
                                     " replaces containerd's default and names no "
                                     "overlayfs: pulls for that snapshotter fail"),
                        "add an entry with snapshotter = \"overlayfs\""});
  return findings;
}

// The name of a runtime that has our snapshotter, as a RuntimeClass chooses it; "" for none.
std::string RuntimeWithSnapshotter(const NodeFacts& facts) {
  const nlohmann::json* const runtimes = FindIn(facts.containerd.config, facts.Cri().runtimes);
  if (runtimes == nullptr || !runtimes->is_object()) return "";
  for (const auto& [name, runtime] : runtimes->items())
    if (StringIn(runtime, {"snapshotter"}, "") == facts.name) return name;
  return "";
}

std::vector<Finding> CheckCriSnapshotter(const NodeFacts& facts) {
  const std::string snapshotter = facts.CriSnapshotter();
  if (snapshotter == facts.name) return {};
  if (const std::string runtime = RuntimeWithSnapshotter(facts); !runtime.empty())
    return {{"cri-snapshotter-by-runtime", Severity::kNote,
             absl::StrCat("only the runtime '", runtime, "' has the snapshotter ", facts.name,
                          ": before containerd 2.3, pods with that RuntimeClass have their images "
                          "unpacked in ",
                          snapshotter, " first"),
             absl::StrCat("add the pod annotation io.containerd.cri.runtime-handler: ", runtime)}};
  std::string text =
      absl::StrCat("CRI's snapshotter is ", snapshotter,
                   ": pods get Nix images downloaded from the endpoint and unpacked");
  // A conversion of containerd 2 loses it silently.
  for (const ContainerdFile& file : facts.containerd.files) {
    TomlPath path = CriTables::Of(2).containerd;
    path.push_back("snapshotter");
    if (facts.containerd.version && facts.containerd.version->major >= 2 &&
        StringIn(file.values, path, "") == facts.name)
      absl::StrAppend(&text, "; ", file.path,
                      " says otherwise, in a table of version 2 which "
                      "containerd 2 drops if no runtimes stand beside it");
  }
  return {{"cri-snapshotter", Severity::kWarning, text, kRunSetup}};
}

std::vector<Finding> CheckLocalPull(const NodeFacts& facts) {
  const auto& version = facts.containerd.version;
  if (!version) return {};
  std::vector<Finding> findings;
  TomlPath path = facts.Cri().containerd;
  path.push_back("discard_unpacked_layers");
  if (BoolIn(facts.containerd.config, path, false))
    findings.push_back({"discard-unpacked-layers", Severity::kWarning,
                        absl::StrCat(PathToToml(path),
                                     " = true: layers that were downloaded are thrown away, so an "
                                     "image that is in another snapshotter cannot be unpacked "
                                     "here and its containers do not start"),
                        "set it to false"});
  if (version->CriPullsByTransfer() && !facts.CriPullsByTransfer())
    findings.push_back(
        {"cri-local-pull", Severity::kNote,
         "use_local_image_pull, disable_snapshot_annotations = false or discard_unpacked_layers "
         "makes CRI pull in the old way: it needs no unpack_config, and ends a pull when a build "
         "takes longer than image_pull_progress_timeout (the build goes on, the next try joins it)",
         ""});
  TomlPath timeout = facts.Cri().images;
  timeout.push_back("image_pull_progress_timeout");
  absl::Duration duration;
  const bool counts = !facts.CriPullsByTransfer() && *version >= ContainerdVersion{1, 7, 0};
  constexpr absl::Duration kShort = absl::Minutes(1);
  if (counts && absl::ParseDuration(StringIn(facts.containerd.config, timeout, "5m"), &duration) &&
      duration > absl::ZeroDuration() && duration < kShort)
    findings.push_back({"pull-timeout", Severity::kWarning,
                        absl::StrCat(PathToToml(timeout), " = ", absl::FormatDuration(duration),
                                     ": a pull that waits for a build longer than that is ended"),
                        "set it to 5m, containerd's default, or more"});
  return findings;
}

}  // namespace

std::vector<Finding> CheckUnpacking(const NodeFacts& facts) {
  if (!facts.containerd.config_readable.ok()) return {};
  std::vector<Finding> findings;
  const auto add = [&](std::vector<Finding> more) {
    for (Finding& finding : more) findings.push_back(std::move(finding));
  };
  if (facts.containerd.version && facts.containerd.version->HasTransferUnpack())
    add(CheckUnpackConfig(facts));
  if (!facts.HasCri()) {
    findings.push_back({"cri-disabled", Severity::kNote,
                        "disabled_plugins switches CRI off: no kubelet can use this containerd",
                        ""});
    return findings;
  }
  add(CheckCriSnapshotter(facts));
  add(CheckLocalPull(facts));
  return findings;
}

}  // namespace stowage
