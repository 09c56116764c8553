#include "plugin/setup/hosts_plan.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/directory.h"
#include "base/status_macros.h"
#include "plugin/setup/containerd_files.h"
#include "plugin/setup/hosts_toml.h"
#include "plugin/setup/toml_json.h"

namespace stowage {
namespace {

constexpr char kDocker[] = "docker.io";

// containerd takes certificates with these names where there is no hosts.toml beside them.
bool HasCertificates(const std::string& directory) {
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string extension = entry->path().extension();
    if (extension == ".crt" || extension == ".cert" || extension == ".key") return true;
  }
  return false;
}

bool HasRelativePath(const nlohmann::json& value) {
  if (value.is_string()) return !absl::StartsWith(value.get<std::string>(), "/");
  return value.is_array() && std::any_of(value.begin(), value.end(), HasRelativePath);
}

// Whether `ca` or `client` of some host is a path that counts from the directory of the file.
bool NamesFilesBeside(const nlohmann::json& table) {
  for (const auto& [key, value] : table.items())
    if (((key == "ca" || key == "client") && HasRelativePath(value)) ||
        (value.is_object() && NamesFilesBeside(value)))
      return true;
  return false;
}

// The hosts.toml of `source` with our endpoint first, to be written elsewhere.
// Errors: FailedPrecondition with the reason why a person has to do it.
absl::StatusOr<std::string> CopyWithEndpointFirst(const std::string& source,
                                                  const std::string& text,
                                                  absl::string_view endpoint) {
  const std::string reason = ReasonNotToEdit(source, text);
  if (!reason.empty()) return absl::FailedPreconditionError(reason);
  STOWAGE_ASSIGN_OR_RETURN(const nlohmann::json values, ParseToml(text, source));
  if (NamesFilesBeside(values))
    return absl::FailedPreconditionError("it names certificates by relative paths");
  STOWAGE_ASSIGN_OR_RETURN(const std::string edited, WithEndpointFirst(text, endpoint));
  return absl::StrCat("# Made by `stowage setup containerd --short-names` from ", source,
                      ",\n# which does not hold for docker.io any more.\n", edited);
}

absl::Status PlanOwnHost(const HostsPlanOptions& options, const std::string& path,
                         HostsPlan& plan) {
  STOWAGE_ASSIGN_OR_RETURN(const auto old, ReadFileIfThere(path));
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

// Our file must not hide what has held for docker.io so far.
absl::Status PlanNewDockerHost(const HostsPlanOptions& options, const std::string& path,
                               HostsPlan& plan) {
  const std::string whole = HostsTextBeforeRegistry(options.endpoint, kDockerServer);
  const std::string directory =
      FindHostsDirectory(absl::StrCat(options.certs_directory, ":", options.config_path), kDocker);
  const std::string source = directory + "/hosts.toml";
  std::optional<std::string> text;
  if (!directory.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(text, ReadFileIfThere(source));
  }
  if (text && !text->empty()) {
    const auto copy = CopyWithEndpointFirst(source, *text, options.endpoint);
    if (copy.ok()) {
      plan.changes.push_back({path, false, "", *copy});
      plan.notes.push_back(absl::StrCat(path, " is a copy of ", source,
                                        ", which containerd does not read for ",
                                        "docker.io any more: change both"));
    } else {
      plan.by_hand.push_back({path,
                              absl::StrCat("it would hide ", source, " (", copy.status().message(),
                                           "); write it with what that has, but first"),
                              whole});
    }
  } else if (!directory.empty() && HasCertificates(directory)) {
    plan.by_hand.push_back({path,
                            absl::StrCat("it would hide the certificates in ", directory,
                                         "; write it with ca and client for those, and with"),
                            whole});
  } else {
    plan.changes.push_back({path, false, "", whole});
  }
  return absl::OkStatus();
}

absl::Status PlanDockerHost(const HostsPlanOptions& options, const std::string& path,
                            HostsPlan& plan) {
  STOWAGE_ASSIGN_OR_RETURN(const auto old, ReadFileIfThere(path));
  if (!old) return PlanNewDockerHost(options, path, plan);
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

std::string FindHostsDirectory(absl::string_view directories, const std::string& host) {
  for (const absl::string_view directory : absl::StrSplit(directories, ':', absl::SkipEmpty()))
    for (const std::string& name : {host, std::string("_default")})
      if (std::string path = absl::StrCat(directory, "/", name); DirectoryExists(path)) return path;
  return "";
}

absl::StatusOr<HostsPlan> PlanHosts(const HostsPlanOptions& options) {
  HostsPlan plan;
  for (const char* host : kOwnHosts) {
    const std::string path = absl::StrCat(options.certs_directory, "/", host, "/hosts.toml");
    STOWAGE_RETURN_IF_ERROR(PlanOwnHost(options, path, plan));
  }
  if (options.short_names) {
    const std::string path = absl::StrCat(options.certs_directory, "/", kDocker, "/hosts.toml");
    STOWAGE_RETURN_IF_ERROR(PlanDockerHost(options, path, plan));
  }
  return plan;
}

}  // namespace stowage
