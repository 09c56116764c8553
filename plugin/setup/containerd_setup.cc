#include "plugin/setup/containerd_setup.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "plugin/setup/containerd_files.h"
#include "plugin/setup/hosts_plan.h"
#include "plugin/setup/toml_edit.h"

namespace stowage {
namespace {

// Both mean that nobody has chosen: `containerd config default` writes the second.
constexpr absl::string_view kDefaultSnapshotters[] = {"", "overlayfs"};

// One string that the configuration must have.
struct Setting {
  TomlPath table;
  std::string key;
  std::string value;
  bool in_list = false;  // it is one of a list of strings
};

bool IsSet(const nlohmann::json& values, const Setting& setting) {
  TomlPath path = setting.table;
  path.push_back(setting.key);
  if (!setting.in_list) return StringIn(values, path, "") == setting.value;
  const std::vector<std::string> list = StringsIn(values, path);
  return std::find(list.begin(), list.end(), setting.value) != list.end();
}

// Settings as TOML text, one header for neighbours of one table.
std::string TextOf(const std::vector<Setting>& settings) {
  std::string text;
  const TomlPath* table = nullptr;
  for (const Setting& setting : settings) {
    if (table == nullptr || *table != setting.table)
      absl::StrAppend(&text, text.empty() ? "" : "\n", "[", PathToToml(setting.table), "]\n");
    table = &setting.table;
    const std::string value = StringToToml(setting.value);
    absl::StrAppend(&text, "  ", setting.key, " = ",
                    setting.in_list ? absl::StrCat("[", value, "]") : value, "\n");
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> UnpackEntry(const std::string& platform,
                                                             const std::string& snapshotter) {
  return {{"platform", platform}, {"snapshotter", snapshotter}};
}

std::string UnpackText(const std::string& platform, const std::string& snapshotter) {
  return absl::StrCat("\n[[", PathToToml(UnpackConfigPath()),
                      "]]\n  platform = ", StringToToml(platform),
                      "\n  snapshotter = ", StringToToml(snapshotter), "\n");
}

bool UnpacksInto(const nlohmann::json& values, const std::string& platform,
                 const std::string& snapshotter) {
  const nlohmann::json* const entries = FindIn(values, UnpackConfigPath());
  if (entries == nullptr || !entries->is_array()) return false;
  for (const nlohmann::json& entry : *entries)
    if (StringIn(entry, {"snapshotter"}, "") == snapshotter &&
        IsPlatform(StringIn(entry, {"platform"}, ""), platform))
      return true;
  return false;
}

struct EditedFile {
  std::string text;
  std::string reason;  // not to write it
  std::string lines;   // to write by hand then
};

class Planner {
 public:
  explicit Planner(const ContainerdSetupOptions& options)
      : options_(options),
        drop_in_((std::filesystem::path(options.config_path).parent_path() / "conf.d" /
                  absl::StrCat(options.name, ".toml"))
                     .string()) {}

  absl::StatusOr<ContainerdSetupPlan> Plan() {
    if (!options_.version.Supported())
      return absl::InvalidArgumentError(
          absl::StrCat("containerd ", options_.version.ToString(), ": Stowage needs 1.6 or later"));
    STOWAGE_ASSIGN_OR_RETURN(old_drop_in_, ReadFileIfThere(drop_in_));
    // Ours is replaced, so it need not be readable.
    const auto files = ReadContainerdFiles(options_.config_path, {{drop_in_, ""}});
    if (!files.ok() && !absl::IsInvalidArgument(files.status()) &&
        !absl::IsNotFound(files.status()))
      return files.status();
    if (files.ok()) Take(*files);
    merged_ = MergeContainerdFiles(files_, options_.version);
    cri_ = CriTables::Of(options_.version.ConfigVersion());
    if (options_.version.ConfigVersion() > config_version_)
      converted_cri_ = CriTables::Of(config_version_);
    ChooseSettings();
    if (!files.ok()) {
      AllByHand(options_.config_path, std::string(files.status().message()));
    } else if (config_version_ < 2) {
      AllByHand(options_.config_path,
                "it has configuration version 1; convert it with 'containerd config migrate', or "
                "write 'version = 2' if it names no plugin");
    } else {
      PlaceSettings();
      STOWAGE_RETURN_IF_ERROR(CheckResult());
    }
    STOWAGE_ASSIGN_OR_RETURN(
        HostsPlan hosts,
        PlanHosts({plan_.certs_directory, options_.endpoint,
                   CurrentOfCri(&CriTables::registry, "config_path"), options_.short_names}));
    // Before the configuration, so that containerd never has our names without their hosts.
    plan_.changes.insert(plan_.changes.begin(), hosts.changes.begin(), hosts.changes.end());
    plan_.by_hand.insert(plan_.by_hand.end(), hosts.by_hand.begin(), hosts.by_hand.end());
    plan_.notes.insert(plan_.notes.end(), hosts.notes.begin(), hosts.notes.end());
    return std::move(plan_);
  }

 private:
  // Divides the files into config.toml, our own and others.
  void Take(const std::vector<ContainerdFile>& files) {
    for (const ContainerdFile& file : files) {
      if (file.path == drop_in_) continue;
      files_.push_back(file);
    }
    config_exists_ = !files_.empty();
    if (!config_exists_) {
      config_version_ = options_.version.ConfigVersion();
      return;
    }
    config_version_ = files_[0].ConfigVersion();
  }

  void ChooseSettings() {
    const TomlPath proxy = {"proxy_plugins", options_.name};
    settings_ = {{proxy, "type", "snapshot"}, {proxy, "address", options_.socket}};
    if (options_.version.HasExports() && options_.remap_ids)
      settings_.push_back({proxy, "capabilities", "remap-ids", true});
    if (options_.version.HasExports()) {
      const TomlPath exports = {"proxy_plugins", options_.name, "exports"};
      settings_.push_back(
          {exports, "root", Current(exports, "root").value_or(options_.state_directory)});
    }
    ChooseSnapshotter();
    ChooseConfigPath();
  }

  std::optional<std::string> Current(const TomlPath& table, const std::string& key) const {
    TomlPath path = table;
    path.push_back(key);
    const nlohmann::json* const value = FindIn(merged_, path);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return value->get<std::string>();
  }

  // A setting of CRI; "" if it is not set.
  std::string CurrentOfCri(TomlPath CriTables::*table, const std::string& key) const {
    const auto current = Current(cri_.*table, key);
    if (current || !converted_cri_) return current.value_or("");
    return Current((*converted_cri_).*table, key).value_or("");
  }

  void ChooseSnapshotter() {
    const std::string current = CurrentOfCri(&CriTables::containerd, "snapshotter");
    for (const absl::string_view by_default : kDefaultSnapshotters) {
      if (current != by_default && current != options_.name) continue;
      settings_.push_back({cri_.containerd, "snapshotter", options_.name});
      if (converted_cri_)
        settings_.push_back({converted_cri_->containerd, "snapshotter", options_.name});
      return;
    }
    plan_.notes.push_back(absl::StrCat("CRI's snapshotter stays ", StringToToml(current),
                                       ", which somebody has chosen: pods get Nix images "
                                       "downloaded and unpacked"));
  }

  void ChooseConfigPath() {
    const std::string current = CurrentOfCri(&CriTables::registry, "config_path");
    const std::string first = std::string(current.substr(0, current.find(':')));
    plan_.certs_directory = !options_.certs_directory.empty() ? options_.certs_directory
                            : first.empty()                   ? kDefaultCertsDirectory
                                                              : first;
    if (current.empty() &&
        HasOldRegistrySettings(merged_, converted_cri_.value_or(cri_).registry)) {
      plan_.by_hand.push_back(
          {options_.config_path,
           absl::StrCat("CRI does not start with both config_path and registry.mirrors or "
                        "registry.configs.*.tls: move those to hosts.toml files below ",
                        plan_.certs_directory, ", then add"),
           TextOf(
               {{converted_cri_.value_or(cri_).registry, "config_path", plan_.certs_directory}})});
      return;
    }
    const bool list = absl::StrContains(current, ':');
    const bool list_works = !options_.version.CriPullsByTransfer();
    if (list && list_works && options_.certs_directory.empty()) return;
    if (list)
      plan_.notes.push_back(absl::StrCat("config_path was the list ", StringToToml(current),
                                         ", which containerd 2.1 and later do not divide when "
                                         "CRI pulls: now it is ",
                                         StringToToml(plan_.certs_directory)));
    settings_.push_back({cri_.registry, "config_path", plan_.certs_directory});
    if (converted_cri_)
      settings_.push_back({converted_cri_->registry, "config_path", plan_.certs_directory});
  }

  // The table that containerd takes from one file as a whole; nothing if it merges its keys.
  std::optional<TomlPath> UnitOf(const TomlPath& table) const {
    if (table[0] == "plugins" && options_.version.MergesPluginTables()) return std::nullopt;
    return TomlPath(table.begin(), table.begin() + 2);
  }

  // The last file that has something at `path`, ours aside.
  const ContainerdFile* LastWith(const TomlPath& path) const {
    for (auto file = files_.rbegin(); file != files_.rend(); ++file)
      if (FindIn(file->values, path) != nullptr) return &*file;
    return nullptr;
  }

  void PlaceSettings() {
    std::vector<Setting> in_drop_in;
    for (const Setting& setting : settings_) {
      const auto unit = UnitOf(setting.table);
      const ContainerdFile* const owner = unit ? LastWith(*unit) : nullptr;
      if (owner == nullptr) {
        in_drop_in.push_back(setting);
        continue;
      }
      if (setting.in_list && IsSet(owner->values, setting)) continue;
      Edit(*owner, TextOf({setting}), [&](const std::string& text) {
        if (setting.in_list)
          return AppendTomlString(text, setting.table, setting.key, setting.value);
        return SetTomlString(text, setting.table, setting.key, setting.value);
      });
    }
    std::string drop_in = TextOf(in_drop_in);
    PlaceUnpackConfig(drop_in);
    if (!drop_in.empty()) PlaceDropIn(drop_in);
    TakeEdits();
  }

  // A list replaces another as a whole, so ours goes to the file that has one.
  void PlaceUnpackConfig(std::string& drop_in) {
    if (!options_.version.HasTransferUnpack()) return;
    const ContainerdFile* const owner = LastWith(UnpackConfigPath());
    if (owner == nullptr) {
      // Naming the list replaces containerd's default, so that is repeated.
      absl::StrAppend(&drop_in, UnpackText(options_.platform, "overlayfs"),
                      UnpackText(options_.platform, options_.name));
    } else if (!UnpacksInto(owner->values, options_.platform, options_.name)) {
      Edit(*owner, UnpackText(options_.platform, options_.name), [&](const std::string& text) {
        return AppendTomlTable(text, UnpackConfigPath(),
                               UnpackEntry(options_.platform, options_.name));
      });
    }
  }

  void PlaceDropIn(const std::string& settings) {
    const std::string text = absl::StrCat(
        "# Written for containerd ", options_.version.ToString(),
        " by `stowage setup containerd`, which replaces it.\nversion = ", config_version_, "\n\n",
        settings);
    const std::string old_text = old_drop_in_.value_or("");
    const auto old = ParseToml(old_text, drop_in_);
    const auto values = ParseToml(text, drop_in_);
    const bool same = old_drop_in_ && old.ok() && values.ok() && *old == *values;
    const std::string reason = ReasonNotToEdit(drop_in_, old_text);
    if (!same && reason.empty()) {
      plan_.changes.push_back({drop_in_, old_drop_in_.has_value(), old_text, text});
    } else if (!same) {
      plan_.by_hand.push_back({drop_in_, reason + "; it must be", text});
    }
    Import();
  }

  void Import() {
    for (const ContainerdFile& file : files_)
      for (const std::string& entry : StringsIn(file.values, {"imports"}))
        if (ImportNames(file.path, entry, drop_in_)) return;
    const std::string directory = std::filesystem::path(drop_in_).parent_path().string();
    if (!config_exists_) {
      // From 2.2 on containerd's own default imports all of conf.d, which must stay so.
      const bool all = options_.version >= ContainerdVersion{2, 2, 0};
      plan_.changes.push_back(
          {options_.config_path, false, "",
           absl::StrCat(
               "# Written by `stowage setup containerd`; the rest is containerd's "
               "default.\nversion = ",
               config_version_, "\nimports = [",
               StringToToml(absl::StrCat(directory, all ? "/" : "/" + options_.name, "*.toml")),
               "]\n")});
      return;
    }
    // A pattern: a plain name that is not there any more keeps containerd from starting.
    const std::string pattern = absl::StrCat(directory, "/", options_.name, "*.toml");
    Edit(files_[0], absl::StrCat("imports = [", StringToToml(pattern), "]\n"),
         [&](const std::string& text) { return AppendTomlString(text, {}, "imports", pattern); });
  }

  // Applies an edit to the text that the file will have, and remembers its lines in case that the
  // file has to be edited by hand.
  template <typename EditFunction>
  void Edit(const ContainerdFile& file, const std::string& lines, const EditFunction& edit) {
    EditedFile& edited =
        edited_.try_emplace(file.path, EditedFile{file.text, "", ""}).first->second;
    const auto result = edit(edited.text);
    if (result.ok() && *result == edited.text) return;
    absl::StrAppend(&edited.lines, lines);
    if (edited.reason.empty()) edited.reason = ReasonNotToEdit(file.path, file.text);
    if (result.ok()) {
      edited.text = *result;
    } else if (edited.reason.empty()) {
      edited.reason = std::string(result.status().message());
    }
  }

  void TakeEdits() {
    for (const ContainerdFile& file : files_) {
      const auto found = edited_.find(file.path);
      if (found == edited_.end() || found->second.text == file.text) continue;
      const EditedFile& edited = found->second;
      if (edited.reason.empty()) {
        plan_.changes.push_back({file.path, true, file.text, edited.text});
      } else {
        plan_.by_hand.push_back({file.path, edited.reason, edited.lines});
      }
    }
  }

  void AllByHand(const std::string& path, const std::string& reason) {
    std::string lines = TextOf(settings_);
    if (options_.version.HasTransferUnpack())
      absl::StrAppend(&lines, UnpackText(options_.platform, "overlayfs"),
                      UnpackText(options_.platform, options_.name));
    plan_.by_hand.push_back({path, reason, lines});
  }

  // Reads the files as they will be and looks for every setting. Something else may win: a file
  // that is read after ours, or one of another configuration version.
  absl::Status CheckResult() {
    if (!plan_.by_hand.empty()) return absl::OkStatus();
    std::map<std::string, std::string> instead;
    for (const FileChange& change : plan_.changes) instead[change.path] = change.new_text;
    STOWAGE_ASSIGN_OR_RETURN(const auto files, ReadContainerdFiles(options_.config_path, instead));
    const nlohmann::json result = MergeContainerdFiles(files, options_.version);
    for (const Setting& setting : settings_) {
      if (IsSet(result, setting)) continue;
      plan_.by_hand.push_back({files.back().path,
                               "a file that is read after ours says otherwise; it should have",
                               TextOf({setting})});
    }
    for (const ContainerdFile& file : files) {
      if (file.ConfigVersion() == config_version_ || FindIn(file.values, {"plugins"}) == nullptr)
        continue;
      plan_.notes.push_back(absl::StrCat(
          file.path, " has configuration version ", file.ConfigVersion(), " and ",
          options_.config_path, " ", config_version_,
          ": containerd does not merge plugins of different versions; run 'stowage doctor'"));
    }
    return absl::OkStatus();
  }

  const ContainerdSetupOptions& options_;
  const std::string drop_in_;
  std::optional<std::string> old_drop_in_;
  bool config_exists_ = false;
  int config_version_ = 2;
  std::vector<ContainerdFile> files_;  // config.toml first; without ours
  nlohmann::json merged_;              // of these
  CriTables cri_;
  // containerd 2 reads files of version 2 and converts them, but drops CRI's snapshotter if the
  // same file has no `runtimes` (v2.1.9 plugins/cri/images/plugin.go, migrateConfig). So such a
  // file gets the tables of version 3, which need no conversion; and the old ones too, since the
  // converted values of other files would win.
  std::optional<CriTables> converted_cri_;
  std::vector<Setting> settings_;
  std::map<std::string, EditedFile> edited_;  // by path
  ContainerdSetupPlan plan_;
};

}  // namespace

absl::StatusOr<ContainerdSetupPlan> PlanContainerdSetup(const ContainerdSetupOptions& options) {
  return Planner(options).Plan();
}

std::string ReasonNotToEdit(const std::string& path, const std::string& text) {
  std::error_code error;
  if (std::filesystem::is_symlink(path, error))
    return "it is a symbolic link, so something else makes it";
  if (absl::StrContains(text, "DO NOT EDIT"))
    return "it says DO NOT EDIT, so something else makes it";
  return "";
}

}  // namespace stowage
