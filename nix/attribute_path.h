#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The attribute names that a package's name in an image reference stands for: split at '.', escapes
// `--xHH` decoded (see image_reference.h). Letters are taken as they are, upper case too, so that
// names known to the program ("bashInteractive") may be written plainly.
// Errors: InvalidArgument for an empty part or an escape of something other than visible ASCII.
absl::StatusOr<std::vector<std::string>> DecodeAttributePath(absl::string_view name);

// The one spelling of an attribute path that is a legal part of an OCI name, is no meta-package and
// decodes to the same. parts: not empty, of visible ASCII, as DecodeAttributePath returns them.
std::string EncodeAttributePath(const std::vector<std::string>& parts);

// Whether a part of an image name asks for something other than a package: shell, amd64, arm64.
bool IsMetaPackage(absl::string_view name);

}  // namespace stowage
