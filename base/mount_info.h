#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace stowage {

// One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), octal escapes undone.
struct MountInfo {
  std::string device;  // "major:minor"
  std::string root;    // which directory of the file system is mounted
  std::string mountpoint;
  std::string file_system_type;  // "ext4", "fuse.stowage"
  std::string source;
  std::string super_options;
  uint64_t id = 0;  // what statx(2) calls stx_mnt_id
};

// Reads mountinfo text, in its order: of two mounts at one place the upper one comes later. Lines
// of another shape are left out. Thread-safe.
std::vector<MountInfo> ParseMountInfo(absl::string_view text);

// True if the uppermost mount at exactly this place is of this type, as "fuse", or of a subtype of
// it, as "fuse.stowage".
bool IsMountedAs(const std::vector<MountInfo>& mounts, absl::string_view mountpoint,
                 absl::string_view file_system_type);

}  // namespace stowage
