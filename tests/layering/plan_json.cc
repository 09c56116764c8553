#include "tests/layering/plan_json.h"

#include <cstdint>
#include <map>

namespace stowage::testing {
namespace {

std::vector<uint32_t> Indices(const nlohmann::json& names,
                              const std::map<std::string, uint32_t>& index_of) {
  std::vector<uint32_t> indices;
  for (const auto& name : names) indices.push_back(index_of.at(name));
  return indices;
}

}  // namespace

LayerGraph GraphFromJson(const nlohmann::json& json) {
  std::map<std::string, uint32_t> index_of;
  for (const auto& [name, node] : json.at("nodes").items()) {
    index_of.emplace(name, static_cast<uint32_t>(index_of.size()));
  }
  LayerGraph graph;
  for (const auto& [name, node] : json.at("nodes").items()) {
    graph.nodes.push_back({name, node.at("narSize"), Indices(node.at("references"), index_of)});
  }
  graph.roots = Indices(json.at("roots"), index_of);
  for (const auto& tier : json.at("tiers")) graph.tiers.push_back(Indices(tier, index_of));
  return graph;
}

LayerPlanOptions OptionsFromJson(const nlohmann::json& json) {
  return {json.at("strategy"), json.at("maxLayers"), json.at("minLayerBytes")};
}

NamedLayers NameLayers(const LayerGraph& graph, const std::vector<std::vector<uint32_t>>& layers) {
  NamedLayers named;
  for (const std::vector<uint32_t>& layer : layers) {
    named.emplace_back();
    for (uint32_t node : layer) named.back().push_back(graph.nodes.at(node).base_name);
  }
  return named;
}

}  // namespace stowage::testing
