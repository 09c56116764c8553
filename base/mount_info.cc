#include "base/mount_info.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace stowage {
namespace {

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// "\040" and the like, as the kernel writes space, tab, newline and backslash.
std::string Unescape(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) &&
        IsOctal(text[i + 3])) {
      plain.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                        (text[i + 3] - '0')));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

}  // namespace

std::vector<MountInfo> ParseMountInfo(absl::string_view text) {
  std::vector<MountInfo> mounts;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    // id parent major:minor root mountpoint options [optional...] - type source super-options
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<absl::string_view> mount = absl::StrSplit(halves.first, ' ');
    const std::vector<absl::string_view> file_system = absl::StrSplit(halves.second, ' ');
    uint64_t id;
    if (mount.size() < 6 || file_system.size() < 3 || !absl::SimpleAtoi(mount[0], &id)) continue;
    mounts.push_back({std::string(mount[2]), Unescape(mount[3]), Unescape(mount[4]),
                      Unescape(file_system[0]), Unescape(file_system[1]), Unescape(file_system[2]),
                      id});
  }
  return mounts;
}

bool IsMountedAs(const std::vector<MountInfo>& mounts, absl::string_view mountpoint,
                 absl::string_view file_system_type) {
  bool mounted = false;
  for (const MountInfo& mount : mounts) {
    if (mount.mountpoint != mountpoint) continue;
    const absl::string_view type = mount.file_system_type;
    mounted = type.substr(0, type.find('.')) == file_system_type;
  }
  return mounted;
}

}  // namespace stowage
