#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "plugin/cli/commands.h"
#include "plugin/cli/exit_code.h"
#include "plugin/cli/platform.h"
#include "plugin/cli/terminal_text.h"
#include "plugin/setup/apply_changes.h"
#include "plugin/setup/containerd_setup.h"
#include "plugin/setup/stowage_settings.h"
#include "plugin/setup/unified_diff.h"
#include "plugin/snapshots/id_mapped_clone.h"

namespace stowage {
namespace {

absl::StatusOr<ContainerdSetupOptions> OptionsOf(const Invocation& invocation) {
  STOWAGE_ASSIGN_OR_RETURN(
      const StowageSettings settings,
      ReadStowageSettings(invocation.stowage_config, invocation.stowage_defaults));
  const Config& config = settings.config;
  if (settings.endpoint.empty())
    return absl::FailedPreconditionError(absl::StrCat(
        invocation.stowage_config, ": registry.address = \"", config.registry_address,
        "\" gives containerd no endpoint to ask for images; give it an address and a port"));
  if (config.snapshotter_socket.empty())
    return absl::FailedPreconditionError(
        absl::StrCat(invocation.stowage_config, ": snapshotter.socket is off; name a socket"));
  ContainerdSetupOptions options;
  if (invocation.containerd_version.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(options.version,
                             FindContainerdVersion(invocation.containerd_address, "containerd"));
  } else {
    STOWAGE_ASSIGN_OR_RETURN(options.version,
                             ContainerdVersion::Parse(invocation.containerd_version));
  }
  options.config_path = invocation.containerd_config;
  options.certs_directory = invocation.certs_directory;
  options.name = invocation.snapshotter;
  options.socket = config.snapshotter_socket;
  options.state_directory = config.state_directory;
  options.endpoint = settings.endpoint;
  options.platform = OciPlatform();
  const bool by_fuse = config.driver != DriverChoice::kOverlay;
  // Only root of the initial user namespace may map the ids of a mount.
  options.remap_ids =
      !invocation.rootless &&
      CheckIdMapping(config.state_directory, by_fuse ? config.fuse_mountpoint : "").ok();
  options.short_names = invocation.short_names;
  return options;
}

// What remains to be done, in order.
std::vector<std::string> NextSteps(const ContainerdSetupOptions& options,
                                   const ContainerdSetupPlan& plan, bool rootless) {
  std::vector<std::string> steps;
  bool configuration_changed = false;
  for (const FileChange& change : plan.changes)
    configuration_changed |= !absl::EndsWith(change.path, "/hosts.toml");
  if (!options.version.HasExports())
    steps.push_back(absl::StrCat(
        "for kubelet's image garbage collection: ln -s ", options.state_directory,
        " CONTAINERD-ROOT/io.containerd.snapshotter.v1.", options.name,
        " (CONTAINERD-ROOT is /var/lib/containerd; this containerd has no other setting for it)"));
  if (configuration_changed) {
    steps.push_back(
        "on a Kubernetes node: kubectl drain, since pods that run have their images in "
        "another snapshotter");
    steps.push_back(rootless ? "systemctl --user restart containerd"
                             : "systemctl restart containerd");
    if (rootless)
      steps.push_back(
          "restart 'stowaged --rootless' and 'stowage-fuse --rootless' in containerd's new "
          "namespaces: in the old ones it does not see their mount");
  }
  steps.push_back("stowage doctor");
  return steps;
}

nlohmann::ordered_json ToJson(const ContainerdSetupOptions& options,
                              const ContainerdSetupPlan& plan,
                              const std::vector<WrittenFile>& written,
                              const Invocation& invocation) {
  nlohmann::ordered_json object = {{"containerd_version", options.version.ToString()},
                                   {"written", !invocation.dry_run}};
  object["changes"] = nlohmann::ordered_json::array();
  for (size_t i = 0; i < plan.changes.size(); ++i) {
    object["changes"].push_back(
        {{"path", plan.changes[i].path}, {"content", plan.changes[i].new_text}});
    if (i < written.size() && !written[i].backup.empty())
      object["changes"].back()["backup"] = written[i].backup;
  }
  object["by_hand"] = nlohmann::ordered_json::array();
  for (const ManualChange& change : plan.by_hand)
    object["by_hand"].push_back(
        {{"path", change.path}, {"reason", change.reason}, {"lines", change.lines}});
  object["notes"] = plan.notes;
  object["next"] = NextSteps(options, plan, invocation.rootless);
  return object;
}

void PrintText(const ContainerdSetupOptions& options, const ContainerdSetupPlan& plan,
               const std::vector<WrittenFile>& written, const Invocation& invocation,
               std::ostream& out) {
  out << "containerd " << options.version.ToString() << "\n";
  if (plan.changes.empty() && plan.by_hand.empty()) out << "nothing to change\n";
  for (const FileChange& change : plan.changes)
    if (invocation.dry_run)
      out << PrintableText(UnifiedDiff(change.old_text, change.new_text,
                                       change.exists ? change.path : std::string("/dev/null"),
                                       change.path));
  for (const WrittenFile& file : written) {
    out << "wrote " << PrintableText(file.path);
    if (!file.backup.empty()) out << " (old text: " << PrintableText(file.backup) << ")";
    out << "\n";
  }
  for (const std::string& note : plan.notes) out << "note: " << PrintableText(note) << "\n";
  for (const ManualChange& change : plan.by_hand) {
    out << "\nto do by hand, " << PrintableText(change.path) << ": " << PrintableText(change.reason)
        << ":\n\n";
    for (const absl::string_view line : absl::StrSplit(PrintableText(change.lines), '\n'))
      out << (line.empty() ? "" : "    ") << line << "\n";
  }
  if (invocation.dry_run) {
    out << "dry run: nothing was written\n";
    return;
  }
  out << "next:\n";
  for (const std::string& step : NextSteps(options, plan, invocation.rootless))
    out << "  " << PrintableText(step) << "\n";
}

}  // namespace

absl::StatusOr<int> RunSetupContainerdCommand(const Invocation& invocation,
                                              const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(const ContainerdSetupOptions options, OptionsOf(invocation));
  STOWAGE_ASSIGN_OR_RETURN(const ContainerdSetupPlan plan, PlanContainerdSetup(options));
  std::vector<WrittenFile> written;
  if (!invocation.dry_run) {
    STOWAGE_ASSIGN_OR_RETURN(written, ApplyChanges(plan.changes));
  }
  if (invocation.json) {
    // Files may hold what is no UTF-8.
    streams.out << ToJson(options, plan, written, invocation)
                       .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                << "\n";
  } else {
    PrintText(options, plan, written, invocation, streams.out);
  }
  return plan.by_hand.empty() ? kExitOk : kExitFailed;
}

}  // namespace stowage
