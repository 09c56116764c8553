#include "plugin/setup/containerd_files.h"

#include <fnmatch.h>
#include <glob.h>

#include <deque>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr size_t kMaxFileBytes = size_t{4} << 20;

bool IsPattern(const std::string& entry) { return absl::StrContains(entry, '*'); }

// containerd makes plain names absolute, patterns not.
std::string ImportedPath(const std::string& importer, const std::string& entry) {
  const std::filesystem::path path(entry);
  if (IsPattern(entry) || path.is_absolute()) return path.lexically_normal().string();
  return (std::filesystem::path(importer).parent_path() / path).lexically_normal().string();
}

absl::StatusOr<std::string> TextOf(const std::string& path,
                                   const std::map<std::string, std::string>& instead) {
  const auto found = instead.find(path);
  if (found != instead.end()) return found->second;
  return ReadFile(path, kMaxFileBytes);
}

// Files that one entry of `imports` names; a pattern names those that are there.
std::set<std::string> ResolveImport(const std::string& importer, const std::string& entry,
                                    const std::map<std::string, std::string>& instead) {
  const std::string path = ImportedPath(importer, entry);
  if (!IsPattern(entry)) return {path};
  glob_t matches = {};
  const auto free_matches = absl::MakeCleanup([&matches] { ::globfree(&matches); });
  std::set<std::string> paths;
  if (::glob(path.c_str(), 0, nullptr, &matches) == 0)
    paths.insert(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  for (const auto& [name, text] : instead)
    if (ImportNames(importer, entry, name)) paths.insert(name);
  return paths;
}

void MergeKeys(nlohmann::json& to, const nlohmann::json& from, bool join_lists) {
  for (const auto& [key, value] : from.items()) {
    nlohmann::json& place = to[key];
    if (place.is_object() && value.is_object()) {
      MergeKeys(place, value, join_lists);
    } else if (join_lists && place.is_array() && value.is_array()) {
      place.insert(place.end(), value.begin(), value.end());
    } else {
      place = value;
    }
  }
}

}  // namespace

int ContainerdFile::ConfigVersion() const {
  const nlohmann::json* const version = FindIn(values, {"version"});
  return version != nullptr && version->is_number_integer() ? version->get<int>() : 1;
}

bool ImportNames(const std::string& importer, const std::string& entry, const std::string& path) {
  const std::string imported = ImportedPath(importer, entry);
  if (!IsPattern(entry)) return imported == path;
  return ::fnmatch(imported.c_str(), path.c_str(), FNM_PATHNAME) == 0;
}

absl::StatusOr<std::vector<ContainerdFile>> ReadContainerdFiles(
    const std::string& path, const std::map<std::string, std::string>& instead) {
  std::vector<ContainerdFile> files;
  std::set<std::string> seen;
  std::deque<std::string> pending = {path};
  while (!pending.empty()) {
    ContainerdFile file;
    file.path = pending.front();
    pending.pop_front();
    if (!seen.insert(file.path).second) continue;
    const auto text = TextOf(file.path, instead);
    if (absl::IsNotFound(text.status()) && files.empty()) return files;
    STOWAGE_RETURN_IF_ERROR(text.status());
    file.text = *text;
    STOWAGE_ASSIGN_OR_RETURN(file.values, ParseToml(file.text, file.path));
    for (const std::string& entry : StringsIn(file.values, {"imports"}))
      for (const std::string& imported : ResolveImport(file.path, entry, instead))
        pending.push_back(imported);
    files.push_back(std::move(file));
  }
  return files;
}

absl::StatusOr<std::optional<std::string>> ReadFileIfThere(const std::string& path) {
  auto text = ReadFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  STOWAGE_RETURN_IF_ERROR(text.status());
  return *std::move(text);
}

nlohmann::json MergeContainerdFiles(const std::vector<ContainerdFile>& files,
                                    const ContainerdVersion& version) {
  nlohmann::json merged = nlohmann::json::object();
  for (const ContainerdFile& file : files) {
    for (const auto& [key, value] : file.values.items()) {
      const bool is_plugins = key == "plugins";
      if ((is_plugins && !version.MergesPluginTables()) || key == "proxy_plugins") {
        if (!value.is_object()) continue;
        for (const auto& [name, table] : value.items()) merged[key][name] = table;
      } else {
        MergeKeys(merged, {{key, value}}, !is_plugins);
      }
    }
  }
  return merged;
}

CriTables CriTables::Of(int config_version) {
  const std::string v2 = "io.containerd.grpc.v1.cri";
  const std::string images = "io.containerd.cri.v1.images";
  const std::string runtime = "io.containerd.cri.v1.runtime";
  if (config_version < 3)
    return {{"plugins", v2},
            {"plugins", v2, "containerd"},
            {"plugins", v2, "registry"},
            {"plugins", v2, "containerd", "runtimes"},
            {"plugins", v2}};
  return {{"plugins", images},
          {"plugins", images},
          {"plugins", images, "registry"},
          {"plugins", runtime, "containerd", "runtimes"},
          {"plugins", images}};
}

bool HasOldRegistrySettings(const nlohmann::json& values, const TomlPath& registry) {
  const nlohmann::json* const table = FindIn(values, registry);
  if (table == nullptr) return false;
  const nlohmann::json* const mirrors = FindIn(*table, {"mirrors"});
  if (mirrors != nullptr && !mirrors->empty()) return true;
  const nlohmann::json* const configs = FindIn(*table, {"configs"});
  if (configs == nullptr || !configs->is_object()) return false;
  for (const auto& [host, config] : configs->items())
    if (FindIn(config, {"tls"}) != nullptr) return true;
  return false;
}

bool IsPlatform(absl::string_view text, absl::string_view platform) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(platform, '/');
  return text == platform || text == parts.first || text == parts.second ||
         absl::StartsWith(text, absl::StrCat(platform, "/"));
}

TomlPath UnpackConfigPath() {
  return {"plugins", "io.containerd.transfer.v1.local", "unpack_config"};
}

}  // namespace stowage
