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

bool LiesOn(const MountInfo& overlay, absl::string_view directory) {
  for (absl::string_view option : absl::StrSplit(overlay.super_options, ',')) {
    if (!absl::ConsumePrefix(&option, "lowerdir=") && !absl::ConsumePrefix(&option, "lowerdir+="))
      continue;
    for (const absl::string_view lower : absl::StrSplit(option, ':'))
      if (absl::StartsWith(lower, directory)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> OverlaysOn(const std::vector<MountInfo>& mounts,
                                    absl::string_view mount_point) {
  const std::string directory = absl::StrCat(mount_point, "/");
  std::vector<std::string> places;
  for (const MountInfo& mount : mounts) {
    if (mount.file_system_type == "overlay" && LiesOn(mount, directory))
      places.push_back(mount.mountpoint);
  }
  return places;
}

void LogLostOverlays(const std::string& mount_point, const LogFunction& log) {
  const auto text = ReadFile("/proc/self/mountinfo");
  std::vector<std::string> places =
      text.ok() ? OverlaysOn(ParseMountInfo(*text), mount_point) : std::vector<std::string>();
  const size_t count = places.size();
  if (count > kMaxNamed) places.resize(kMaxNamed);
  log(LogLevel::kError,
      absl::StrCat("containers_lost count=", count, " mountpoint=", mount_point,
                   " error=\"they get 'Transport endpoint is not connected' for every file that "
                   "is not cached; start them again, new ones are not affected\" places=\"",
                   absl::StrJoin(places, " "), "\""));
}

}  // namespace stowage
