#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "layering/image_documents.h"
#include "layering/json_document.h"
#include "nix/store_path.h"

namespace stowage {

Document EncodeClosureDocument(const Closure& closure,
                               absl::Span<const std::vector<uint32_t>> layers) {
  nlohmann::json paths = nlohmann::json::array();
  for (const StoreObject& object : closure.objects) {
    paths.push_back({{"name", object.path.base_name()},
                     {"narHash", object.nar_hash.ToString()},
                     {"narSize", object.nar_size_bytes},
                     {"references", object.references}});
  }
  nlohmann::json sorted_layers = nlohmann::json::array();
  for (std::vector<uint32_t> layer : layers) {
    std::sort(layer.begin(), layer.end());
    sorted_layers.push_back(std::move(layer));
  }
  // Store path names are ASCII (nix/store_path.h): always UTF-8.
  return *JsonDocument({{"version", 1},
                        {"storeDirectory", kStoreDirectory},
                        {"paths", std::move(paths)},
                        {"layers", std::move(sorted_layers)}},
                       kClosureMediaType);
}

}  // namespace stowage
