#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

struct MountTableEntry {
  std::string device;  // "major:minor"
  std::string mount_point;
  std::string file_system_type;
  std::string source;
};

// The lines of /proc/<pid>/mountinfo (proc(5)), octal escapes undone; lines of another shape are
// left out.
std::vector<MountTableEntry> ParseMountTable(absl::string_view mountinfo);

// This process's mounts at exactly this place, lowest first. Errors: the errno's.
absl::StatusOr<std::vector<MountTableEntry>> MountsAt(const std::string& mount_point);

}  // namespace stowage
