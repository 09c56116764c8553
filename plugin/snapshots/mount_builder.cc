#include "plugin/snapshots/mount_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace stowage {
namespace {

constexpr size_t kPageSize = 4096;
constexpr size_t kMaxOptionBytes = kPageSize - 1;
// containerd (core/mount/mount_linux.go) makes lowers relative to their common directory from this
// length on.
constexpr size_t kShortenFromBytes = kPageSize - 512;
constexpr size_t kMaxLowers = 500;  // OVL_MAX_STACK

Mount BindMount(const std::string& source, absl::string_view access) {
  return {"bind", source, {std::string(access), "rbind"}};
}

// Bytes that containerd takes from each lower when it shortens them; 0 if it cannot.
size_t CommonDirectoryBytes(const std::vector<std::string>& directories) {
  absl::string_view common = directories.front();
  for (const std::string& directory : directories) {
    const auto differ =
        std::mismatch(common.begin(), common.end(), directory.begin(), directory.end());
    common = common.substr(0, static_cast<size_t>(differ.first - common.begin()));
  }
  const size_t slash = common.rfind('/');
  return slash == absl::string_view::npos || slash == 0 ? 0 : slash + 1;
}

absl::Status CheckLength(const std::vector<std::string>& options,
                         const std::vector<std::string>& lowers) {
  if (lowers.size() > kMaxLowers)
    return absl::ResourceExhaustedError(
        absl::StrCat("mount of ", lowers.size(), " lower directories: overlayfs takes ", kMaxLowers,
                     "; use an image with fewer layers"));
  size_t bytes = absl::StrJoin(options, ",").size();
  if (bytes >= kShortenFromBytes && lowers.size() > 1)
    bytes -= lowers.size() * CommonDirectoryBytes(lowers);
  if (bytes > kMaxOptionBytes)
    return absl::ResourceExhaustedError(
        absl::StrCat("mount of ", lowers.size(), " lower directories from ", lowers.front(),
                     " on: the options take ", bytes, " bytes of ", kMaxOptionBytes,
                     "; use an image with fewer layers or a shorter state directory"));
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> OverlayMountOptions(const OverlayFeatures& features, bool redirects) {
  std::vector<std::string> options;
  if (features.index_off) options.push_back("index=off");
  if (features.user_xattr) options.push_back("userxattr");
  // Not "on": what a container writes must be the same files in the upper directory.
  if (redirects) options.push_back("redirect_dir=follow");
  return options;
}

absl::StatusOr<std::vector<Mount>> BuildMounts(const MountParts& parts,
                                               const OverlayFeatures& features) {
  const bool is_view = parts.kind == SnapshotKind::kView;
  const std::vector<std::string>& lowers = parts.lower_directories;
  if (lowers.empty()) return std::vector{BindMount(parts.upper_directory, is_view ? "ro" : "rw")};
  if (is_view && lowers.size() == 1) return std::vector{BindMount(lowers.front(), "ro")};

  std::vector<std::string> options = OverlayMountOptions(features, parts.redirects);
  if (!is_view) {
    options.push_back(absl::StrCat("workdir=", parts.work_directory));
    options.push_back(absl::StrCat("upperdir=", parts.upper_directory));
  }
  options.push_back(absl::StrCat("lowerdir=", absl::StrJoin(lowers, ":")));
  if (const absl::Status status = CheckLength(options, lowers); !status.ok()) return status;
  return std::vector{Mount{"overlay", "overlay", std::move(options)}};
}

}  // namespace stowage
