// Plans layers for layer_plan_cross_check.py: reads a JSON list of cases on standard input, writes
// the list of their plans, as base names, on standard output. A case may set some constants of
// reuse-tail, so that small graphs reach the limits of large ones.

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "layering/ranked_closure.h"
#include "layering/reuse_tail.h"
#include "tests/layering/plan_json.h"

namespace stowage::testing {
namespace {

std::vector<std::vector<uint32_t>> PlanWithConstants(const LayerGraph& graph,
                                                     const nlohmann::json& json) {
  const ReuseTailConstants constants = {.max_start_clusters = json["constants"]["startClusters"],
                                        .max_clustered_paths = json["constants"]["clusteredPaths"]};
  const RankedClosure closure = RankClosure(graph).value();
  RankedLayers layers = GroupReuseTail(closure, OptionsFromJson(json), constants);
  for (std::vector<uint32_t>& layer : layers) {
    std::sort(layer.begin(), layer.end());
    for (uint32_t& member : layer) member = closure.nodes[member];
  }
  return layers;
}

nlohmann::json Plan(const nlohmann::json& json) {
  const LayerGraph graph = GraphFromJson(json.at("graph"));
  if (json.contains("constants")) return NameLayers(graph, PlanWithConstants(graph, json));
  return NameLayers(graph, BuildLayerPlan(graph, OptionsFromJson(json)).value().layers);
}

}  // namespace
}  // namespace stowage::testing

int main() {
  nlohmann::json plans = nlohmann::json::array();
  for (const auto& json : nlohmann::json::parse(std::cin)) {
    plans.push_back(stowage::testing::Plan(json));
  }
  std::cout << plans << "\n";
  return 0;
}
