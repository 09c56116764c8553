#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace stowage {

// Names of tables from the root on: {"plugins", "io.containerd.grpc.v1.cri", "registry"}.
using TomlPath = std::vector<std::string>;

// A TOML 1.0 text as a JSON object; dates become strings.
//
// name: file name for messages. Errors: InvalidArgument with name, line and column. Thread-safe.
absl::StatusOr<nlohmann::json> ParseToml(absl::string_view text, absl::string_view name);

// What is at `path`, or nullptr. The pointer lives as long as `root`.
const nlohmann::json* FindIn(const nlohmann::json& root, const TomlPath& path);

// The string, boolean or list of strings at `path`; the fallback if there is none or it is of
// another type.
std::string StringIn(const nlohmann::json& root, const TomlPath& path, absl::string_view fallback);
bool BoolIn(const nlohmann::json& root, const TomlPath& path, bool fallback);
std::vector<std::string> StringsIn(const nlohmann::json& root, const TomlPath& path);

// As TOML writes it: plugins."io.containerd.grpc.v1.cri".registry
std::string PathToToml(const TomlPath& path);
// A basic string with its quotes and escapes.
std::string StringToToml(absl::string_view value);

}  // namespace stowage
