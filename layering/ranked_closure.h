#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "layering/layer_plan.h"

namespace stowage {

// The closure of a graph's roots with its paths numbered by rank: ascending by (name, hash) of the
// base name. Equal closures have equal numbers whatever the order of the input, so ranks decide
// ties. All vectors are indexed by rank.
struct RankedClosure {
  std::vector<uint32_t> nodes;  // index into LayerGraph::nodes
  std::vector<uint64_t> nar_size_bytes;
  std::vector<std::vector<uint32_t>> references;  // ranks, without duplicates and self references
  std::vector<std::vector<uint32_t>> referrers;   // the same edges backwards
  // The smallest number of a tier whose closure holds the path; tier_count if there is none.
  std::vector<uint32_t> tiers;
  uint32_t tier_count = 0;
  // All ranks, each after its references.
  std::vector<uint32_t> references_first;

  uint32_t size() const { return static_cast<uint32_t>(nodes.size()); }
};

// Errors: InvalidArgument as BuildLayerPlan says.
absl::StatusOr<RankedClosure> RankClosure(const LayerGraph& graph);

}  // namespace stowage
