#include "plugin/setup/toml_json.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace stowage {

absl::StatusOr<nlohmann::json> ParseToml(absl::string_view text, absl::string_view name) {
  toml::table root;
  try {
    root = toml::parse(std::string_view(text.data(), text.size()));
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ":", error.source().begin.line, ":",
                                                   error.source().begin.column, ": ",
                                                   std::string(error.description())));
  }
  std::ostringstream text_of_json;
  text_of_json << toml::json_formatter(root, toml::json_formatter::default_flags);
  nlohmann::json json = nlohmann::json::parse(text_of_json.str(), nullptr, false);
  // Only a value that JSON has no text for comes here, such as inf.
  if (!json.is_object())
    return absl::InvalidArgumentError(absl::StrCat(name, ": a value that cannot be read"));
  return json;
}

const nlohmann::json* FindIn(const nlohmann::json& root, const TomlPath& path) {
  const nlohmann::json* node = &root;
  for (const std::string& key : path) {
    if (!node->is_object()) return nullptr;
    const auto found = node->find(key);
    if (found == node->end()) return nullptr;
    node = &*found;
  }
  return node;
}

std::string StringIn(const nlohmann::json& root, const TomlPath& path, absl::string_view fallback) {
  const nlohmann::json* node = FindIn(root, path);
  return node != nullptr && node->is_string() ? node->get<std::string>() : std::string(fallback);
}

bool BoolIn(const nlohmann::json& root, const TomlPath& path, bool fallback) {
  const nlohmann::json* node = FindIn(root, path);
  return node != nullptr && node->is_boolean() ? node->get<bool>() : fallback;
}

std::vector<std::string> StringsIn(const nlohmann::json& root, const TomlPath& path) {
  std::vector<std::string> strings;
  const nlohmann::json* node = FindIn(root, path);
  if (node == nullptr || !node->is_array()) return strings;
  for (const nlohmann::json& element : *node)
    if (element.is_string()) strings.push_back(element.get<std::string>());
  return strings;
}

std::string PathToToml(const TomlPath& path) {
  return absl::StrJoin(path, ".", [](std::string* out, const std::string& key) {
    const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
    });
    absl::StrAppend(out, bare ? key : StringToToml(key));
  });
}

std::string StringToToml(absl::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&text, "\\", absl::string_view(&c, 1));
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppendFormat(&text, "\\u%04X", static_cast<unsigned char>(c));
    } else {
      text.push_back(c);
    }
  }
  return absl::StrCat(text, "\"");
}

}  // namespace stowage
