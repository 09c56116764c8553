#include "fuse/mount_table.h"

#include <utility>

#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"

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

std::vector<MountTableEntry> ParseMountTable(absl::string_view mountinfo) {
  std::vector<MountTableEntry> entries;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    // id parent major:minor root mount-point options [optional...] - type source super-options
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<absl::string_view> mount = absl::StrSplit(halves.first, ' ');
    const std::vector<absl::string_view> file_system = absl::StrSplit(halves.second, ' ');
    if (mount.size() < 6 || file_system.size() < 2) continue;
    entries.push_back({std::string(mount[2]), Unescape(mount[4]), Unescape(file_system[0]),
                       Unescape(file_system[1])});
  }
  return entries;
}

absl::StatusOr<std::vector<MountTableEntry>> MountsAt(const std::string& mount_point) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  std::vector<MountTableEntry> here;
  for (MountTableEntry& entry : ParseMountTable(mountinfo)) {
    if (entry.mount_point == mount_point) here.push_back(std::move(entry));
  }
  return here;
}

}  // namespace stowage
