#include "layering/received_documents.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json_bounds.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/image_documents.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 8;
constexpr size_t kMaxValues = 2'000'000;  // a hundred references of each store path

absl::Status Wrong(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("it has no valid ", what));
}

absl::StatusOr<json> ParseObject(absl::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes)
    return absl::InvalidArgumentError(absl::StrCat("it is longer than ", max_bytes, " bytes"));
  STOWAGE_RETURN_IF_ERROR(CheckJsonBounds(text, kMaxDepth, kMaxValues));
  json value = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return absl::InvalidArgumentError("it is no JSON object");
  return value;
}

// null where there is no such member.
const json& Member(const json& object, absl::string_view name) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(std::string(name));
  return found == object.end() ? kNull : *found;
}

absl::StatusOr<uint64_t> Unsigned(const json& object, absl::string_view name, uint64_t most) {
  const json& value = Member(object, name);
  if (!value.is_number_unsigned() || value.get<uint64_t>() > most) return Wrong(name);
  return value.get<uint64_t>();
}

absl::StatusOr<Digest> DigestOf(const json& object, absl::string_view name) {
  const json& value = Member(object, name);
  if (!value.is_string()) return Wrong(name);
  return Digest::Parse(value.get_ref<const std::string&>());
}

bool IsText(const json& value, absl::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

absl::StatusOr<std::vector<uint32_t>> Indices(const json& list, size_t end,
                                              absl::string_view what) {
  if (!list.is_array() || list.size() > end) return Wrong(what);
  std::vector<uint32_t> indices;
  for (const json& index : list) {
    if (!index.is_number_unsigned() || index.get<uint64_t>() >= end) return Wrong(what);
    indices.push_back(index.get<uint32_t>());
  }
  return indices;
}

absl::StatusOr<StoreObject> ParseStoreObject(const json& value, size_t path_count) {
  const json& name = Member(value, "name");
  if (!name.is_string()) return Wrong("name");
  STOWAGE_ASSIGN_OR_RETURN(StorePath path,
                           StorePath::FromBaseName(name.get_ref<const std::string&>()));
  STOWAGE_ASSIGN_OR_RETURN(const Digest nar_hash, DigestOf(value, "narHash"));
  STOWAGE_ASSIGN_OR_RETURN(const uint64_t nar_size, Unsigned(value, "narSize", kMaxPathNarBytes));
  STOWAGE_ASSIGN_OR_RETURN(std::vector<uint32_t> references,
                           Indices(Member(value, "references"), path_count, "references"));
  return StoreObject{std::move(path), nar_hash, nar_size, std::move(references)};
}

}  // namespace

absl::StatusOr<ReceivedManifest> ParseManifest(absl::string_view text) {
  STOWAGE_ASSIGN_OR_RETURN(const json manifest, ParseObject(text, kMaxManifestBytes));
  if (Member(manifest, "manifests").is_array())
    return absl::FailedPreconditionError("it is an index of images for several systems");
  if (!IsText(Member(manifest, "mediaType"), kManifestMediaType)) return Wrong("mediaType");
  STOWAGE_ASSIGN_OR_RETURN(const Digest config, DigestOf(Member(manifest, "config"), "digest"));
  STOWAGE_ASSIGN_OR_RETURN(const Digest closure,
                           DigestOf(Member(manifest, "annotations"), kClosureAnnotation));
  const json& layers = Member(manifest, "layers");
  if (!layers.is_array() || layers.empty()) return Wrong("layers");
  ReceivedManifest received = {Sha256(text), config, closure, {}};
  for (const json& layer : layers) {
    STOWAGE_ASSIGN_OR_RETURN(const Digest diff_id, DigestOf(layer, "digest"));
    STOWAGE_ASSIGN_OR_RETURN(const uint64_t size,
                             Unsigned(layer, "size", std::numeric_limits<int64_t>::max()));
    for (const ReceivedLayer& other : received.layers)
      if (other.diff_id == diff_id)
        return absl::InvalidArgumentError(
            absl::StrCat("it has the layer ", diff_id.ToString(), " twice"));
    received.layers.push_back({diff_id, size});
  }
  return received;
}

absl::StatusOr<ReceivedClosure> ParseClosureDocument(absl::string_view text) {
  STOWAGE_ASSIGN_OR_RETURN(const json document, ParseObject(text, kMaxClosureDocumentBytes));
  if (Member(document, "version") != 1) return Wrong("version");
  if (!IsText(Member(document, "storeDirectory"), kStoreDirectory)) return Wrong("storeDirectory");
  const json& paths = Member(document, "paths");
  if (!paths.is_array() || paths.empty() || paths.size() > kMaxClosurePaths) return Wrong("paths");
  ReceivedClosure received;
  for (const json& value : paths) {
    STOWAGE_ASSIGN_OR_RETURN(StoreObject object, ParseStoreObject(value, paths.size()));
    if (!received.closure.objects.empty() && received.closure.objects.back().path >= object.path)
      return absl::InvalidArgumentError("its paths are not sorted");
    received.closure.objects.push_back(std::move(object));
  }
  const json& layers = Member(document, "layers");
  if (!layers.is_array() || layers.size() > paths.size()) return Wrong("layers");
  for (const json& layer : layers) {
    STOWAGE_ASSIGN_OR_RETURN(std::vector<uint32_t> members, Indices(layer, paths.size(), "layers"));
    received.layers.push_back(std::move(members));
  }
  return received;
}

}  // namespace stowage
