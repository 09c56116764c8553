#include <string>

#include "absl/strings/match.h"
#include "plugin/config/config.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

void FuzzConfig(absl::string_view bytes) {
  const auto config = ParseConfig(bytes, "fuzz.toml");
  if (!config.ok()) {
    STOWAGE_FUZZ_CHECK(absl::IsInvalidArgument(config.status()));
    STOWAGE_FUZZ_CHECK(absl::StartsWith(config.status().message(), "configuration fuzz.toml"));
    return;
  }
  STOWAGE_FUZZ_CHECK(!config->source.location.empty());
  STOWAGE_FUZZ_CHECK(absl::StartsWith(config->state_directory, "/"));
  STOWAGE_FUZZ_CHECK(absl::StartsWith(config->gc_roots_directory, "/"));
  STOWAGE_FUZZ_CHECK(absl::StartsWith(config->fuse_mountpoint, "/"));
  STOWAGE_FUZZ_CHECK(config->control_socket.empty() || config->control_socket[0] == '/');
  STOWAGE_FUZZ_CHECK(config->layering.max_layers >= 1 && config->layering.max_layers <= 120);
  STOWAGE_FUZZ_CHECK(config->concurrent_resolves >= 1 && config->concurrent_resolves <= 64);
  STOWAGE_FUZZ_CHECK(config->evaluation_timeout >= absl::ZeroDuration());
  STOWAGE_FUZZ_CHECK(config->tag_lifetime >= absl::ZeroDuration());
}

STOWAGE_FUZZ_TARGET(config, FuzzConfig);

}  // namespace
}  // namespace stowage
