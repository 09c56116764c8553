#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "layering/image_documents.h"
#include "layering/json_document.h"

namespace stowage {
namespace {

nlohmann::json LayerDescriptor(const ImageLayer& layer) {
  nlohmann::json descriptor = {{"mediaType", kLayerMediaType},
                               {"digest", layer.diff_id.ToString()},
                               {"size", layer.size_bytes}};
  if (!layer.is_profile) {
    descriptor["annotations"] = {{std::string(kLayerKeyAnnotation), layer.layer_key.hex()}};
  }
  return descriptor;
}

// Digests, numbers and media types only: always UTF-8.
Document ManifestDocument(nlohmann::json manifest) {
  manifest["schemaVersion"] = 2;
  manifest["mediaType"] = kManifestMediaType;
  return *JsonDocument(manifest, kManifestMediaType);
}

}  // namespace

Document EncodeManifest(const ImageDescription& image, const Document& config,
                        const Document& closure_document) {
  nlohmann::json layers = nlohmann::json::array();
  for (const ImageLayer& layer : image.layers) layers.push_back(LayerDescriptor(layer));
  nlohmann::json annotations = {
      {std::string(kClosureAnnotation), closure_document.digest.ToString()}};
  return ManifestDocument({{"config", Descriptor(config)},
                           {"layers", std::move(layers)},
                           {"annotations", std::move(annotations)}});
}

Document EncodeClosureReferrer(const Document& manifest, const Document& closure_document) {
  nlohmann::json layers = nlohmann::json::array({Descriptor(closure_document)});
  return ManifestDocument({{"artifactType", kClosureMediaType},
                           {"config", Descriptor(EmptyDocument())},
                           {"layers", std::move(layers)},
                           {"subject", Descriptor(manifest)}});
}

Document EmptyDocument() { return *JsonDocument(nlohmann::json::object(), kEmptyMediaType); }

}  // namespace stowage
