#include "fuse/fuse_config.h"

// Before the header: it would throw.
#define TOML_EXCEPTIONS 0
#include <fcntl.h>
#include <toml++/toml.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace stowage {
namespace {

absl::Status WrongValue(const std::string& path, const toml::node& node, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("configuration ", path, ":", node.source().begin.line, ": ", what));
}

}  // namespace

absl::StatusOr<FuseConfig> ReadFuseConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  FuseConfig wanted;
  if (absl::IsNotFound(text.status())) return wanted;
  if (!text.ok()) return text.status();
  const toml::parse_result config = toml::parse(*text, path);
  if (!config) {
    const toml::source_position at = config.error().source().begin;
    return absl::InvalidArgumentError(absl::StrCat("configuration ", path, ":", at.line, ":",
                                                   at.column, ": ",
                                                   std::string(config.error().description())));
  }
  if (const auto data = config["fuse"]["data"]) {
    wanted.data = data.value_or(std::string());
    if (wanted.data != "cached" && wanted.data != "passthrough" && wanted.data != "auto")
      return WrongValue(path, *data.node(),
                        "fuse.data must be \"cached\", \"passthrough\" or \"auto\"");
  }
  if (const auto attributes = config["fuse"]["extended_attributes"]) {
    if (!attributes.is_boolean())
      return WrongValue(path, *attributes.node(), "fuse.extended_attributes must be true or false");
    wanted.extended_attributes = attributes.value_or(true);
  }
  if (const auto context = config["fuse"]["selinux_context"]) {
    if (!context.is_string())
      return WrongValue(path, *context.node(), "fuse.selinux_context must be a string");
    wanted.selinux_context = context.value_or(std::string());
  }
  return wanted;
}

}  // namespace stowage
