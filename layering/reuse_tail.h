#pragma once

#include <cstdint>
#include <string>

#include "layering/layering_strategy.h"
#include "layering/ranked_closure.h"

namespace stowage {

// The constants of the strategy `reuse-tail`; its rule and the reasons: docs/layering.md. A change
// of any of them is a new version of the strategy. Only tests use other values.
struct ReuseTailConstants {
  // Share of the budget for the clusters of the tail; the rest are layers of one path.
  uint32_t tail_percent = 25;
  // Chance, in 1/65536, that a path does not change in one period (0.97).
  uint32_t path_survival = 63570;
  // Chance, in 1/65536, that another image does not have a given user of a path (0.98).
  uint32_t user_absence = 64225;
  // So many of the tail's largest paths start as a cluster each; all others start as one cluster.
  uint32_t max_start_clusters = 256;
  // In a closure of more paths the tail is one layer: bit sets grow with the square.
  uint32_t max_clustered_paths = 20000;
};

// The constants as text for cache keys.
std::string Describe(const ReuseTailConstants& constants);

// One store path per layer while the budget lasts, largest first; the tail of small paths
// clustered by expected reuse. Integers only, every comparison a total order: all machines agree.
RankedLayers GroupReuseTail(const RankedClosure& closure, const LayerPlanOptions& options,
                            const ReuseTailConstants& constants);

}  // namespace stowage
