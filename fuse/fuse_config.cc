#include "fuse/fuse_config.h"

// Before the header: it would throw.
#define TOML_EXCEPTIONS 0
#include <fcntl.h>
#include <toml++/toml.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace stowage {

absl::StatusOr<std::string> ReadDataMode(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return "cached";
  if (!text.ok()) return text.status();
  const toml::parse_result config = toml::parse(*text, path);
  if (!config) {
    const toml::source_position at = config.error().source().begin;
    return absl::InvalidArgumentError(absl::StrCat("configuration ", path, ":", at.line, ":",
                                                   at.column, ": ",
                                                   std::string(config.error().description())));
  }
  const auto data = config["fuse"]["data"];
  if (!data) return "cached";
  const std::string mode = data.value_or(std::string());
  if (mode == "cached" || mode == "passthrough" || mode == "auto") return mode;
  return absl::InvalidArgumentError(
      absl::StrCat("configuration ", path, ":", data.node()->source().begin.line,
                   ": fuse.data must be \"cached\", \"passthrough\" or \"auto\""));
}

}  // namespace stowage
