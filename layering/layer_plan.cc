#include "layering/layer_plan.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "layering/layering_strategy.h"
#include "layering/ranked_closure.h"

namespace stowage {
namespace {

absl::StatusOr<const LayeringStrategy*> CheckOptions(const LayerPlanOptions& options) {
  if (options.max_layers < 1 || options.max_layers > kMaxLayers) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plan layers: max_layers is ", options.max_layers, ", must be 1 to ", kMaxLayers));
  }
  for (const LayeringStrategy& strategy : LayeringStrategies()) {
    if (strategy.name == options.strategy) return &strategy;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "plan layers: no strategy '", options.strategy, "'; there are ",
      absl::StrJoin(LayeringStrategies(), ", ", [](std::string* out, const LayeringStrategy& s) {
        absl::StrAppend(out, s.name);
      })));
}

}  // namespace

LayerGraph LayerGraphOf(const Closure& closure) {
  LayerGraph graph;
  graph.nodes.reserve(closure.objects.size());
  for (const StoreObject& object : closure.objects) {
    graph.nodes.push_back({object.path.base_name(), object.nar_size_bytes, object.references});
  }
  graph.roots = closure.roots;
  return graph;
}

absl::StatusOr<LayerPlan> BuildLayerPlan(const LayerGraph& graph, const LayerPlanOptions& options) {
  STOWAGE_ASSIGN_OR_RETURN(const LayeringStrategy* strategy, CheckOptions(options));
  STOWAGE_ASSIGN_OR_RETURN(const RankedClosure closure, RankClosure(graph));
  LayerPlan plan;
  plan.layers = strategy->group(closure, options);
  for (std::vector<uint32_t>& layer : plan.layers) {
    std::sort(layer.begin(), layer.end());  // ranks: by (name, hash)
    for (uint32_t& member : layer) member = closure.nodes[member];
  }
  return plan;
}

absl::StatusOr<std::string> LayerPlanIdentity(const LayerPlanOptions& options) {
  STOWAGE_ASSIGN_OR_RETURN(const LayeringStrategy* strategy, CheckOptions(options));
  return absl::StrCat(strategy->name, " version=", strategy->version,
                      " max-layers=", options.max_layers,
                      " min-layer-bytes=", options.min_layer_bytes,
                      strategy->constants.empty() ? "" : " ", strategy->constants);
}

}  // namespace stowage
