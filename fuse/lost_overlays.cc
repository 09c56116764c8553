#include "fuse/lost_overlays.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"

namespace stowage {
namespace {

constexpr size_t kMaxNamed = 50;

bool LiesOn(const MountInfo& overlay, const std::vector<std::string>& directories) {
  for (absl::string_view option : absl::StrSplit(overlay.super_options, ',')) {
    if (!absl::ConsumePrefix(&option, "lowerdir=") && !absl::ConsumePrefix(&option, "lowerdir+="))
      continue;
    for (const absl::string_view lower : absl::StrSplit(option, ':'))
      for (const std::string& directory : directories)
        if (absl::StartsWith(lower, directory)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> OverlaysOn(const std::vector<MountInfo>& mounts,
                                    const std::string& mount_point, absl::string_view device) {
  std::vector<std::string> directories = {mount_point + "/"};
  for (const MountInfo& mount : mounts) {
    if (mount.device == device && mount.root == "/") directories.push_back(mount.mountpoint + "/");
  }
  std::vector<std::string> places;
  for (const MountInfo& mount : mounts) {
    if (mount.file_system_type == "overlay" && LiesOn(mount, directories))
      places.push_back(mount.mountpoint);
  }
  return places;
}

void LogLostOverlays(const FuseMount& mount, const LogFunction& log) {
  const auto text = ReadFile("/proc/self/mountinfo");
  std::vector<std::string> places =
      text.ok() ? OverlaysOn(ParseMountInfo(*text), mount.mount_point, mount.device)
                : std::vector<std::string>();
  const size_t count = places.size();
  if (count > kMaxNamed) places.resize(kMaxNamed);
  log(LogLevel::kError,
      absl::StrCat("containers_lost count=", count, " mountpoint=", mount.mount_point,
                   " error=\"they get 'Transport endpoint is not connected' for every file that "
                   "is not cached; start them again, new ones are not affected\" places=\"",
                   absl::StrJoin(places, " "), "\""));
}

}  // namespace stowage
