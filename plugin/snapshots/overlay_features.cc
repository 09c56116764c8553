#include "plugin/snapshots/overlay_features.h"

#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace stowage {

bool IsUserNamespaceMap(absl::string_view uid_map) {
  const std::vector<absl::string_view> numbers =
      absl::StrSplit(uid_map, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  if (numbers.size() != 3) return true;
  uint64_t inside = 0, outside = 0, length = 0;
  if (!absl::SimpleAtoi(numbers[0], &inside) || !absl::SimpleAtoi(numbers[1], &outside) ||
      !absl::SimpleAtoi(numbers[2], &length))
    return true;
  // user_namespaces(7): the initial namespace maps all 2^32 - 1 users onto themselves.
  return inside != 0 || outside != 0 || length != 4294967295;
}

OverlayFeatures DetectOverlayFeatures() {
  // Loads the module, whose parameters are not there before: it may be that nobody has mounted an
  // overlay since the machine was started. Not allowed to anybody but root, who needs it.
  const UniqueFd loaded(::fsopen("overlay", FSOPEN_CLOEXEC));
  OverlayFeatures features;
  features.index_off = ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
  // No such file: the kernel has no user namespaces.
  const absl::StatusOr<std::string> uid_map = ReadFile("/proc/self/uid_map");
  features.user_xattr = uid_map.ok() && IsUserNamespaceMap(*uid_map);
  return features;
}

}  // namespace stowage
