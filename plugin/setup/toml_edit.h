#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugin/setup/toml_json.h"

namespace stowage {

// Edits of a TOML text that leave every other byte as it is: comments, order, indentation. Each is
// checked: the result is read again and must differ from the original in exactly the value asked
// for.
//
// Errors of all: InvalidArgument for a text that is not TOML; FailedPrecondition for one whose form
// does not allow the edit, such as a table written inline. Thread-safe.

// [table] key = value; replaces the value that is there, makes what is missing.
absl::StatusOr<std::string> SetTomlString(absl::string_view text, const TomlPath& table,
                                          const std::string& key, const std::string& value);

// Adds a string at the end of the list `key` of a table ({}: the root), both of which may be
// missing.
absl::StatusOr<std::string> AppendTomlString(absl::string_view text, const TomlPath& table,
                                             const std::string& key, const std::string& value);

// Adds a table at the end of the array of tables at `path`: [[path]] and its keys.
absl::StatusOr<std::string> AppendTomlTable(
    absl::string_view text, const TomlPath& path,
    const std::vector<std::pair<std::string, std::string>>& entries);

}  // namespace stowage
