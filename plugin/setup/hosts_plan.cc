#include "plugin/setup/hosts_plan.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "plugin/setup/hosts_toml.h"

namespace stowage {
namespace {

constexpr char kDockerServer[] = "https://registry-1.docker.io";

absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path) {
  auto text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  STOWAGE_RETURN_IF_ERROR(text.status());
  return *std::move(text);
}

absl::Status PlanOwnHost(const HostsPlanOptions& options, const std::string& path,
                         HostsPlan& plan) {
  STOWAGE_ASSIGN_OR_RETURN(const auto old, ReadIfThere(path));
  if (old) {
    const auto file = ParseHostsFile(*old, path);
    if (file.ok() && IsOursAlone(*file, options.endpoint)) return absl::OkStatus();
  }
  std::string text = HostsTextForOwnName(options.endpoint);
  const std::string reason = old ? ReasonNotToEdit(path, *old) : "";
  if (reason.empty()) {
    plan.changes.push_back({path, old.has_value(), old.value_or(""), std::move(text)});
  } else {
    plan.by_hand.push_back({path, reason + "; it must be", std::move(text)});
  }
  return absl::OkStatus();
}

absl::Status PlanDockerHost(const HostsPlanOptions& options, const std::string& path,
                            HostsPlan& plan) {
  STOWAGE_ASSIGN_OR_RETURN(const auto old, ReadIfThere(path));
  const std::string whole = HostsTextBeforeRegistry(options.endpoint, kDockerServer);
  if (!old) {
    plan.changes.push_back({path, false, "", whole});
    return absl::OkStatus();
  }
  const auto edited = WithEndpointFirst(*old, options.endpoint);
  if (edited.ok() && *edited == *old) return absl::OkStatus();
  std::string reason = ReasonNotToEdit(path, *old);
  if (reason.empty() && !edited.ok()) reason = std::string(edited.status().message());
  if (reason.empty()) {
    plan.changes.push_back({path, true, *old, *edited});
  } else {
    plan.by_hand.push_back({path, reason + "; before all other hosts it needs",
                            HostsTextBeforeRegistry(options.endpoint, kDockerServer)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HostsPlan> PlanHosts(const HostsPlanOptions& options) {
  HostsPlan plan;
  for (const char* host : kOwnHosts) {
    const std::string path = absl::StrCat(options.certs_directory, "/", host, "/hosts.toml");
    STOWAGE_RETURN_IF_ERROR(PlanOwnHost(options, path, plan));
  }
  if (options.short_names) {
    const std::string path = absl::StrCat(options.certs_directory, "/docker.io/hosts.toml");
    STOWAGE_RETURN_IF_ERROR(PlanDockerHost(options, path, plan));
  }
  return plan;
}

}  // namespace stowage
