#include "base/fuse_mount_source.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("A mount's source tells its settings", "[base][fuse_mount_source]") {
  const auto [data, extended_attributes, source] = GENERATE(table<std::string, bool, std::string>({
      {"cached", true, "stowage"},
      {"passthrough", true, "stowage-passthrough"},
      {"cached", false, "stowage-noxattr"},
      {"passthrough", false, "stowage-passthrough-noxattr"},
  }));
  CHECK(FuseMountSource({data, extended_attributes}) == source);
  MountInfo below;
  below.mountpoint = "/run/fs";
  below.file_system_type = "fuse.stowage";
  below.source = "stowage-passthrough-noxattr";
  MountInfo mount = below;
  mount.source = source;
  const FuseMountSettings settings = FuseMountSettingsAt({below, mount}, "/run/fs");
  CHECK(settings.data == data);
  CHECK(settings.extended_attributes == extended_attributes);
  CHECK(FuseMountSettingsAt({mount}, "/run").data.empty());
  mount.file_system_type = "ext4";
  CHECK(FuseMountSettingsAt({below, mount}, "/run/fs").data.empty());
}

}  // namespace
}  // namespace stowage
