#include "base/fuse_mount_source.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

constexpr char kPassthrough[] = "-passthrough";
constexpr char kNoExtendedAttributes[] = "-noxattr";

}  // namespace

std::string FuseMountSource(const FuseMountSettings& settings) {
  return absl::StrCat("stowage", settings.data == "passthrough" ? kPassthrough : "",
                      settings.extended_attributes ? "" : kNoExtendedAttributes);
}

FuseMountSettings FuseMountSettingsAt(const std::vector<MountInfo>& mounts,
                                      absl::string_view mountpoint) {
  FuseMountSettings settings;
  for (const MountInfo& mount : mounts) {
    if (mount.mountpoint != mountpoint) continue;
    settings = FuseMountSettings();
    if (mount.file_system_type != "fuse.stowage") continue;
    settings.data = absl::StrContains(mount.source, kPassthrough) ? "passthrough" : "cached";
    settings.extended_attributes = !absl::EndsWith(mount.source, kNoExtendedAttributes);
  }
  return settings;
}

}  // namespace stowage
