#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace stowage {

// fuse.data of stowaged's configuration file, TOML 1.0: "cached" if the file or the key is not
// there. All else in the file is for stowaged, which checks it. Errors: InvalidArgument with file
// and place for a syntax error and another value; the errno's.
absl::StatusOr<std::string> ReadDataMode(const std::string& path);

}  // namespace stowage
