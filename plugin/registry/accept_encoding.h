#pragma once

#include "absl/strings/string_view.h"

namespace stowage {

enum class ContentCoding { kIdentity, kGzip, kZstd };

// The coding for a layer, from an Accept-Encoding header (RFC 9110, 12.5.3): of those the client
// names, the one with the highest q, zstd before gzip when equal; identity when it names neither,
// rates both 0 or prefers identity. "*" chooses nothing, since it says nothing about what the
// client can decode. Pure.
ContentCoding ChooseContentCoding(absl::string_view accept_encoding);

// "gzip", "zstd", or "" for identity.
absl::string_view ContentCodingName(ContentCoding coding);

}  // namespace stowage
