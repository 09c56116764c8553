#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "layering/document.h"

namespace stowage {

// The compact JSON text of `json` as a document: keys sorted by bytes, no spaces, UTF-8 as it is.
// Errors: InvalidArgument if a text in it is not UTF-8.
absl::StatusOr<Document> JsonDocument(const nlohmann::json& json, absl::string_view media_type);

// An OCI descriptor of the document (image-spec, descriptor.md).
nlohmann::json Descriptor(const Document& document);

}  // namespace stowage
