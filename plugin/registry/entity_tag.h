#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "plugin/registry/accept_encoding.h"

namespace stowage {

// The entity tag of a blob under a coding: "sha256:..." in quotes, with "-gzip" or "-zstd" before
// the closing one, since a tag stands for bytes as sent (RFC 9110, 8.8.3).
std::string EntityTagOf(const Digest& digest, ContentCoding coding);

// True if an If-None-Match header names the tag or is "*" (weak comparison, RFC 9110, 13.1.2).
bool IfNoneMatchNames(absl::string_view header, absl::string_view tag);

// True if an If-Range header lets the range stand: it is absent or equal to the tag (strong
// comparison, RFC 9110, 13.1.5). A date never does, as blobs have none.
bool IfRangeAllows(absl::string_view header, absl::string_view tag);

}  // namespace stowage
