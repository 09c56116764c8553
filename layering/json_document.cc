#include "layering/json_document.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace stowage {

absl::StatusOr<Document> JsonDocument(const nlohmann::json& json, absl::string_view media_type) {
  std::string content;
  try {
    content = json.dump();
  } catch (const nlohmann::json::type_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("encode ", media_type, ": a text is not UTF-8: ", error.what()));
  }
  const Digest digest = Sha256(content);
  return Document{digest, std::string(media_type), std::move(content)};
}

nlohmann::json Descriptor(const Document& document) {
  return {{"mediaType", document.media_type},
          {"digest", document.digest.ToString()},
          {"size", document.content.size()}};
}

}  // namespace stowage
