#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "plugin/setup/containerd_version.h"
#include "plugin/setup/toml_json.h"

namespace stowage {

// One file of containerd's configuration.
struct ContainerdFile {
  std::string path;
  std::string text;
  nlohmann::json values;

  int ConfigVersion() const;  // 1 without a `version`
};

// The file at `path` and those that it imports, in the order in which containerd reads them: later
// ones count more (containerd v2.1.9 cmd/containerd/server/config/config.go, LoadConfig). Empty if
// there is no such file.
//
// instead: texts, by absolute path, that count instead of what is on disk.
// Errors: NotFound for an imported file that is not there (with which containerd does not start),
// InvalidArgument for a text that is not TOML, or the errno's code.
absl::StatusOr<std::vector<ContainerdFile>> ReadContainerdFiles(
    const std::string& path, const std::map<std::string, std::string>& instead = {});

// The text of a file; nothing if it is not there. Errors: the errno's code.
absl::StatusOr<std::optional<std::string>> ReadFileIfThere(const std::string& path);

// Whether an entry of `imports` in `importer` names `path`, be it there or not.
bool ImportNames(const std::string& importer, const std::string& entry, const std::string& path);

// Where hosts.toml files are, unless CRI's config_path says otherwise.
inline constexpr char kDefaultCertsDirectory[] = "/etc/containerd/certs.d";

// What containerd makes of the files, its own defaults aside (mergeConfig, same file): tables of
// [proxy_plugins] replace each other; tables of [plugins] too before 2.0, and are merged key by key
// since; other lists are joined.
nlohmann::json MergeContainerdFiles(const std::vector<ContainerdFile>& files,
                                    const ContainerdVersion& version);

// Where CRI keeps the settings that concern images, in a file of this configuration version.
struct CriTables {
  TomlPath plugin;      // the table of the plugin
  TomlPath containerd;  // has `snapshotter`, `discard_unpacked_layers`, ...
  TomlPath registry;    // has `config_path`
  TomlPath runtimes;    // one table per runtime
  TomlPath images;      // has `image_pull_progress_timeout`, `use_local_image_pull`

  static CriTables Of(int config_version);
};

// `mirrors` and TLS settings of `configs` below the registry's table, which keep CRI from starting
// together with config_path (containerd v2.1.9 internal/cri/config/config.go, ValidateImageConfig).
bool HasOldRegistrySettings(const nlohmann::json& values, const TomlPath& registry);

// Whether a platform as a configuration writes it, "linux", "amd64" or "linux/amd64/v1" too, is
// that of this machine ("linux/amd64"; containerd platforms, Parse).
bool IsPlatform(absl::string_view text, absl::string_view platform);

// List of tables with `platform` and `snapshotter` into which the transfer service unpacks.
TomlPath UnpackConfigPath();

}  // namespace stowage
