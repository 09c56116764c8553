#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The attribute names that a package's name in an image reference stands for: split at '.', escapes
// `--xHH` decoded (see image_reference.h). Letters are taken as they are, upper case too, so that
// names known to the program ("bashInteractive") may be written plainly.
// Errors: InvalidArgument for an empty part or an escape of something other than printable ASCII.
absl::StatusOr<std::vector<std::string>> DecodeAttributePath(absl::string_view name);

// The canonical spelling of an attribute path: lower-case where that means the same to
// DecodeAttributePath, legal as a part of an OCI name. parts: as DecodeAttributePath returns them.
std::string EncodeAttributePath(const std::vector<std::string>& parts);

}  // namespace stowage
