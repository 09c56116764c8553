#pragma once

#include <string>

#include "absl/types/span.h"
#include "base/digest.h"

namespace stowage {

// Version of the canonical tar (docs/layer-format.md). Any change of a layer's bytes for the same
// store paths is a new version.
inline constexpr int kLayerFormatVersion = 1;

// The name of a layer of store paths before its bytes are known: store paths never change, so the
// key decides the diff_id.
//
// SHA-256 of the text "stowage-layer 1\n" (1: kLayerFormatVersion) followed by
// "<length in bytes, decimal>:<base name>\n" for each name, sorted by bytes; the length keeps any
// two lists apart. base_names: "HASH-NAME" in any order, without duplicates. Thread-safe.
Digest LayerKey(absl::Span<const std::string> base_names);

}  // namespace stowage
