#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/mount_info.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

// As the kernel writes a path (fs/proc_namespace.c: mangle).
std::string Escaped(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\' || c == '#')
      absl::StrAppendFormat(&escaped, "\\%03o", static_cast<unsigned char>(c));
    else
      escaped.push_back(c);
  }
  return escaped;
}

// Any path survives being written by the kernel and read here.
void CheckWrittenPath(absl::string_view path) {
  const std::string line = absl::StrCat("36 35 98:0 / ", Escaped(path), " rw shared:1 - fuse.x ",
                                        Escaped(path), " rw,a=", Escaped(path), "\n");
  const std::vector<MountInfo> mounts = ParseMountInfo(line);
  STOWAGE_FUZZ_CHECK(mounts.size() == 1);
  STOWAGE_FUZZ_CHECK(mounts[0].device == "98:0" && mounts[0].mountpoint == path);
  STOWAGE_FUZZ_CHECK(mounts[0].source == path);
  STOWAGE_FUZZ_CHECK(mounts[0].super_options == absl::StrCat("rw,a=", path));
  STOWAGE_FUZZ_CHECK(IsMountedAs(mounts, path, "fuse"));
}

void FuzzMountInfo(absl::string_view bytes) {
  const std::vector<MountInfo> mounts = ParseMountInfo(bytes);
  size_t read_by_line = 0;
  for (const absl::string_view line : absl::StrSplit(bytes, '\n'))
    read_by_line += ParseMountInfo(line).size();
  STOWAGE_FUZZ_CHECK(mounts.size() == read_by_line);
  for (const MountInfo& mount : mounts) {
    const absl::string_view type = mount.file_system_type;
    const bool is_last =
        std::count_if(&mount, mounts.data() + mounts.size(), [&](const MountInfo& other) {
          return other.mountpoint == mount.mountpoint;
        }) == 1;
    if (is_last)
      STOWAGE_FUZZ_CHECK(IsMountedAs(mounts, mount.mountpoint, type.substr(0, type.find('.'))));
  }
  CheckWrittenPath(bytes);
}

STOWAGE_FUZZ_TARGET(mount_info, FuzzMountInfo);

}  // namespace
}  // namespace stowage
