#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace stowage {

// What a profile has besides what its packages have, where they do not have it
// (docs/layer-format.md, "The profile layer", rule 4).

struct ProfileDirectory {
  absl::string_view path;
  uint32_t mode;
};
inline constexpr ProfileDirectory kProfileDirectories[] = {
    {"dev", 0755}, {"proc", 0755}, {"root", 0700},    {"run", 0755},
    {"sys", 0755}, {"tmp", 01777}, {"var/tmp", 01777}};

struct ProfileFile {
  absl::string_view path;
  absl::string_view content;
};
inline constexpr ProfileFile kProfileFiles[] = {
    {"etc/passwd",
     "root:x:0:0:root:/root:/bin/sh\n"
     "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"},
    {"etc/group",
     "root:x:0:\n"
     "nobody:x:65534:\n"
     "nogroup:x:65534:\n"},
    {"etc/nsswitch.conf", "hosts: files dns\n"}};

}  // namespace stowage
