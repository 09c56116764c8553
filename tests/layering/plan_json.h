#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "layering/layer_plan.h"
#include "layering/layering_strategy.h"

namespace stowage::testing {

using NamedLayers = std::vector<std::vector<std::string>>;

// Reads {"nodes": {BASE_NAME: {"narSize", "references"}}, "roots": [], "tiers": [[]]}, as golden
// files have it. Throws on anything else.
LayerGraph GraphFromJson(const nlohmann::json& json);

// Reads "strategy", "maxLayers" and "minLayerBytes" of a case.
LayerPlanOptions OptionsFromJson(const nlohmann::json& json);

// Layers of node indices as base names.
NamedLayers NameLayers(const LayerGraph& graph, const std::vector<std::vector<uint32_t>>& layers);

}  // namespace stowage::testing
