#include "layering/layering_strategy.h"

#include "layering/reuse_tail.h"

namespace stowage {
namespace {

RankedLayers GroupInOne(const RankedClosure& closure, const LayerPlanOptions&) {
  if (closure.size() == 0) return {};
  return {closure.references_first};
}

RankedLayers GroupByReuse(const RankedClosure& closure, const LayerPlanOptions& options) {
  return GroupReuseTail(closure, options, ReuseTailConstants{});
}

}  // namespace

absl::Span<const LayeringStrategy> LayeringStrategies() {
  static const auto& strategies = *new std::vector<LayeringStrategy>{
      {"reuse-tail", 1, Describe(ReuseTailConstants{}), GroupByReuse},
      {"single", 1, "", GroupInOne},
  };
  return strategies;
}

}  // namespace stowage
