#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "layering/layer_plan.h"
#include "layering/ranked_closure.h"

namespace stowage {

// Layers of ranks, base first; members in any order.
using RankedLayers = std::vector<std::vector<uint32_t>>;

// One way to distribute a closure over layers.
struct LayeringStrategy {
  absl::string_view name;
  // Part of every cache key: raised with any change that can alter a plan.
  int version;
  // The constants of the rule, as in "tail-percent=25 ..."; empty if there are none.
  std::string constants;
  // Each rank in exactly one layer, no layer empty, at most options.max_layers of them. Pure.
  RankedLayers (*group)(const RankedClosure& closure, const LayerPlanOptions& options);
};

// All strategies, the default first. A new one is a line here.
absl::Span<const LayeringStrategy> LayeringStrategies();

}  // namespace stowage
