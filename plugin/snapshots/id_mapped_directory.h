#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace stowage {

// Where IdMappedMounts of a state directory are, and the name of those that show stowage-fuse's
// mount: <state>/idmapped/<mapping>/fuse.
inline std::string IdMappedDirectory(absl::string_view state_directory) {
  return absl::StrCat(state_directory, "/idmapped");
}
inline constexpr char kIdMappedFuseName[] = "fuse";

}  // namespace stowage
