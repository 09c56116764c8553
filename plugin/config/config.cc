#include "plugin/config/config.h"

#include <toml++/toml.h>

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/selinux_context.h"
#include "base/status_macros.h"
#include "nix/source_url.h"

namespace stowage {
namespace {

// A key of the file: its table, its name, and what to do with its value. `read` returns "" or what
// is wrong with the value.
struct Key {
  const char* table;
  const char* name;
  std::function<std::string(const toml::node&)> read;
};

std::function<std::string(const toml::node&)> Text(std::string& target) {
  return [&target](const toml::node& node) -> std::string {
    if (!node.is_string()) return "must be a string";
    target = node.as_string()->get();
    return "";
  };
}

std::function<std::string(const toml::node&)> AbsolutePath(std::string& target,
                                                           bool may_be_empty = false) {
  return [&target, may_be_empty](const toml::node& node) -> std::string {
    const auto text = node.value<std::string>();
    if (!node.is_string() || ((*text)[0] != '/' && !(may_be_empty && text->empty())))
      return may_be_empty ? "must be an absolute path, or \"\" for off"
                          : "must be an absolute path";
    // overlayfs separates its options by these
    if (text->find_first_of(":,\\") != std::string::npos)
      return "must not contain ':', ',' or '\\'";
    target = *text;
    while (target.size() > 1 && target.back() == '/') target.pop_back();
    return "";
  };
}

std::function<std::string(const toml::node&)> TextList(std::vector<std::string>& target) {
  return [&target](const toml::node& node) -> std::string {
    if (!node.is_array()) return "must be a list of strings";
    std::vector<std::string> texts;
    for (const toml::node& element : *node.as_array()) {
      if (!element.is_string() || element.as_string()->get().empty())
        return "must be a list of strings, none of them empty";
      texts.push_back(element.as_string()->get());
    }
    target = std::move(texts);
    return "";
  };
}

std::function<std::string(const toml::node&)> Switch(bool& target) {
  return [&target](const toml::node& node) -> std::string {
    if (!node.is_boolean()) return "must be true or false";
    target = node.as_boolean()->get();
    return "";
  };
}

template <typename Integer>
std::function<std::string(const toml::node&)> Number(Integer& target, int64_t least, int64_t most) {
  return [&target, least, most](const toml::node& node) -> std::string {
    const auto value = node.is_integer() ? node.value<int64_t>() : std::nullopt;
    if (!value || *value < least || *value > most)
      return absl::StrCat("must be a whole number from ", least, " to ", most);
    target = static_cast<Integer>(*value);
    return "";
  };
}

std::function<std::string(const toml::node&)> Duration(absl::Duration& target,
                                                       absl::Duration least) {
  return [&target, least](const toml::node& node) -> std::string {
    absl::Duration value;
    if (!node.is_string() || !absl::ParseDuration(node.as_string()->get(), &value) ||
        value == absl::InfiniteDuration())
      return "must be a time like \"90s\", \"5m\" or \"2h\"";
    if (value < least)
      return absl::StrCat("must be a time of at least ", absl::FormatDuration(least));
    target = value;
    return "";
  };
}

std::function<std::string(const toml::node&)> ServerUrl(std::string& target) {
  return [&target](const toml::node& node) -> std::string {
    std::string text = node.value_or(std::string());
    if (node.is_string() && text.empty()) return "";
    if (const absl::Status url = CheckServerUrl(text); !url.ok()) return std::string(url.message());
    target = std::move(text);
    return "";
  };
}

std::function<std::string(const toml::node&)> SourceKind(PackageSourceKind& target) {
  return [&target](const toml::node& node) -> std::string {
    const std::string text = node.value_or(std::string());
    if (text == "path") {
      target = PackageSourceKind::kPath;
    } else if (text == "git") {
      target = PackageSourceKind::kGit;
    } else if (text == "channel") {
      target = PackageSourceKind::kChannel;
    } else {
      return "must be \"path\", \"git\" or \"channel\"";
    }
    return "";
  };
}

std::function<std::string(const toml::node&)> Driver(DriverChoice& target) {
  return [&target](const toml::node& node) -> std::string {
    const std::string text = node.value_or(std::string());
    if (text == "fuse") {
      target = DriverChoice::kFuse;
    } else if (text == "overlay") {
      target = DriverChoice::kOverlay;
    } else if (text == "auto") {
      target = DriverChoice::kAuto;
    } else {
      return "must be \"fuse\", \"overlay\" or \"auto\"";
    }
    return "";
  };
}

std::function<std::string(const toml::node&)> FuseData(std::string& target) {
  return [&target](const toml::node& node) -> std::string {
    const std::string text = node.value_or(std::string());
    if (text != "cached" && text != "passthrough" && text != "auto")
      return "must be \"cached\", \"passthrough\" or \"auto\"";
    target = text;
    return "";
  };
}

std::function<std::string(const toml::node&)> SelinuxContext(std::string& target) {
  return [&target](const toml::node& node) -> std::string {
    if (!node.is_string()) return "must be a string";
    target = node.as_string()->get();
    const absl::Status right = target.empty() ? absl::OkStatus() : CheckSelinuxContext(target);
    return right.ok() ? "" : absl::StrCat("is wrong: ", right.message());
  };
}

std::function<std::string(const toml::node&)> LogLevel(std::string& target) {
  return [&target](const toml::node& node) -> std::string {
    const std::string text = node.value_or(std::string());
    for (const char* level : {"debug", "info", "warning", "error"}) {
      if (text != level) continue;
      target = text;
      return "";
    }
    return "must be \"debug\", \"info\", \"warning\" or \"error\"";
  };
}

std::vector<Key> KeysOf(Config& config) {
  return {
      {"paths", "state", AbsolutePath(config.state_directory)},
      {"paths", "gc_roots", AbsolutePath(config.gc_roots_directory)},
      {"control", "socket", AbsolutePath(config.control_socket, true)},
      {"snapshotter", "socket", AbsolutePath(config.snapshotter_socket, true)},
      {"snapshotter", "driver", Driver(config.driver)},
      {"registry", "address", Text(config.registry_address)},
      {"fuse", "mountpoint", AbsolutePath(config.fuse_mountpoint)},
      {"fuse", "data", FuseData(config.fuse_data)},
      {"fuse", "extended_attributes", Switch(config.fuse_extended_attributes)},
      {"fuse", "selinux_context", SelinuxContext(config.fuse_selinux_context)},
      {"overlay", "directory", AbsolutePath(config.overlay_directory)},
      {"source", "kind", SourceKind(config.source.kind)},
      {"source", "location", Text(config.source.location)},
      {"source", "default_ref", Text(config.source.git_default_ref)},
      {"source", "base_url", Text(config.source.channel_base_url)},
      {"packages", "always", TextList(config.always)},
      {"packages", "shell", TextList(config.shell)},
      {"layering", "strategy", Text(config.layering.strategy)},
      {"layering", "max_layers", Number(config.layering.max_layers, 1, 120)},
      {"layering", "min_layer_bytes", Number(config.layering.min_layer_bytes, 0, int64_t{1} << 50)},
      {"nix", "program_directory", AbsolutePath(config.nix.program_directory, true)},
      {"nix", "settings", TextList(config.nix.extra_settings)},
      {"nix", "evaluation_timeout", Duration(config.evaluation_timeout, absl::Seconds(1))},
      {"nix", "build_timeout", Duration(config.build_timeout, absl::Seconds(1))},
      {"nix", "concurrent_resolves", Number(config.concurrent_resolves, 1, 64)},
      {"images", "tag_lifetime", Duration(config.tag_lifetime, absl::ZeroDuration())},
      {"images", "hold", Duration(config.hold, absl::Seconds(10))},
      {"images", "lazy", Switch(config.lazy)},
      {"images", "fetch_timeout", Duration(config.fetch_timeout, absl::Seconds(1))},
      {"images", "record_source", ServerUrl(config.record_source)},
      {"images", "record_ca_file", AbsolutePath(config.record_ca_file, true)},
      {"images", "record_credentials_file", AbsolutePath(config.record_credentials_file, true)},
      {"log", "level", LogLevel(config.log_level)},
  };
}

absl::Status ConfigError(absl::string_view name, const toml::source_region& region,
                         absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("configuration ", name, ":", region.begin.line,
                                                 ":", region.begin.column, ": ", what));
}

// Keys of one table, or the tables when `table` is "".
std::string Known(const std::vector<Key>& keys, absl::string_view table) {
  std::vector<std::string> names;
  for (const Key& key : keys) {
    const std::string name = table.empty() ? absl::StrCat("[", key.table, "]") : key.name;
    if ((table.empty() || table == key.table) && (names.empty() || names.back() != name))
      names.push_back(name);
  }
  return absl::StrJoin(names, ", ");
}

absl::Status ReadTable(const std::vector<Key>& keys, const std::string& table,
                       const toml::table& values, absl::string_view file) {
  for (const auto& [name, node] : values) {
    const Key* found = nullptr;
    for (const Key& key : keys) {
      if (table == key.table && name.str() == key.name) found = &key;
    }
    if (found == nullptr)
      return ConfigError(file, node.source(),
                         absl::StrCat("unknown key '", std::string(name.str()), "' in [", table,
                                      "]; known are: ", Known(keys, table)));
    if (const std::string problem = found->read(node); !problem.empty())
      return ConfigError(file, node.source(),
                         absl::StrCat(table, ".", std::string(name.str()), " ", problem));
  }
  return absl::OkStatus();
}

// Relations between keys.
absl::Status Check(const Config& config, absl::string_view file) {
  STOWAGE_RETURN_IF_ERROR(Annotate(LayerPlanIdentity(config.layering).status(),
                                   absl::StrCat("configuration ", file, ": layering")));
  if (config.source.location.empty())
    return absl::InvalidArgumentError(absl::StrCat(
        "configuration ", file,
        ": source.location is missing: a directory with a package set for kind = \"path\", a "
        "repository URL for \"git\", a channel name such as nixos-24.11 for \"channel\""));
  if (config.record_source.empty() &&
      !(config.record_ca_file.empty() && config.record_credentials_file.empty()))
    return absl::InvalidArgumentError(absl::StrCat(
        "configuration ", file,
        ": images.record_ca_file and images.record_credentials_file are for images.record_source, "
        "which is missing: the URL of another Stowage"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> ParseConfig(absl::string_view text, absl::string_view name,
                                   const Config& defaults) {
  toml::table root;
  try {
    root = toml::parse(std::string_view(text.data(), text.size()));
  } catch (const toml::parse_error& error) {
    return ConfigError(name, error.source(), std::string(error.description()));
  }
  Config config = defaults;
  const std::vector<Key> keys = KeysOf(config);
  for (const auto& [table, node] : root) {
    const std::string table_name(table.str());
    if (table_name.empty() || Known(keys, table_name).empty())
      return ConfigError(
          name, node.source(),
          absl::StrCat("unknown key '", table_name, "'; known are the tables ", Known(keys, "")));
    if (!node.is_table())
      return ConfigError(name, node.source(), absl::StrCat("'", table_name, "' must be a table"));
    STOWAGE_RETURN_IF_ERROR(ReadTable(keys, table_name, *node.as_table(), name));
  }
  STOWAGE_RETURN_IF_ERROR(Check(config, name));
  config.source.cache_directory = config.state_directory + "/cache/sources";
  config.nix.work_directory = config.state_directory + "/cache/nix";
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path, const Config& defaults) {
  auto text = ReadFile(path, size_t{1} << 20);
  if (absl::IsNotFound(text.status()))
    return absl::NotFoundError(absl::StrCat(
        "configuration ", path, " is not there: write one, or name another with --config FILE"));
  STOWAGE_RETURN_IF_ERROR(text.status());
  return ParseConfig(*text, path, defaults);
}

}  // namespace stowage
