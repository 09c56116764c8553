#include <string>

#include "absl/status/status.h"
#include "plugin/setup/hosts_toml.h"
#include "plugin/setup/toml_edit.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

constexpr char kEndpoint[] = "http://127.0.0.1:5080";

void CheckRefusal(const absl::Status& status) {
  STOWAGE_FUZZ_CHECK(absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status));
}

// An edit does what it says, and done again it changes nothing.
void CheckSet(absl::string_view text, const TomlPath& table, const std::string& key) {
  const auto edited = SetTomlString(text, table, key, "v");
  if (!edited.ok()) return CheckRefusal(edited.status());
  const auto again = SetTomlString(*edited, table, key, "v");
  STOWAGE_FUZZ_CHECK(again.ok() && *again == *edited);
}

void FuzzTomlEdit(absl::string_view bytes) {
  CheckSet(bytes, {"a", "b"}, "k");
  CheckSet(bytes, {"a"}, "b");
  for (const TomlPath& table : {TomlPath{}, TomlPath{"a", "b"}}) {
    if (const auto edited = AppendTomlString(bytes, table, "k", "v"); !edited.ok())
      CheckRefusal(edited.status());
  }
  if (const auto edited = AppendTomlTable(bytes, {"a", "b"}, {{"k", "v"}}); !edited.ok())
    CheckRefusal(edited.status());
  const auto hosts = WithEndpointFirst(bytes, kEndpoint);
  if (!hosts.ok()) return CheckRefusal(hosts.status());
  const auto file = ParseHostsFile(*hosts, "hosts.toml");
  STOWAGE_FUZZ_CHECK(file.ok() && !file->hosts.empty());
  STOWAGE_FUZZ_CHECK(IsOurEndpoint(file->hosts[0].url, kEndpoint));
}

STOWAGE_FUZZ_TARGET(toml_edit, FuzzTomlEdit);

}  // namespace
}  // namespace stowage
