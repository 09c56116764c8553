#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace stowage {

// The table [fuse] of stowaged's configuration, as far as it is for stowage-fuse: what a new mount
// shall be.
struct FuseConfig {
  std::string data = "cached";  // "passthrough", "auto"
  bool extended_attributes = true;
  std::string selinux_context;  // of every file; "": the kernel's policy says
};

// From the configuration file, TOML 1.0; defaults if the file or a key is not there. All else in
// the file is for stowaged, which checks it. Errors: InvalidArgument with file and place for a
// syntax error and another value; the errno's.
absl::StatusOr<FuseConfig> ReadFuseConfig(const std::string& path);

}  // namespace stowage
