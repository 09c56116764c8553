#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "layering/ranked_closure.h"

namespace stowage {

struct ReuseTailConstants;

struct TailCluster {
  std::vector<uint32_t> members;  // ranks
  uint32_t fewest_users;          // of any member: the path itself and all that reach it
};

// Merges the paths of `tail`, two clusters at a time, the pair that loses least expected reuse
// first, until at most max_clusters are left.
//
// tail: ranks, largest path first, not empty. max_clusters: at least 1.
// Time O(t^2 W + t^3), t = clusters at the start (at most max_start_clusters + 1), W = paths / 64;
// memory N^2/4 bytes.
std::vector<TailCluster> ClusterTail(const RankedClosure& closure, absl::Span<const uint32_t> tail,
                                     uint32_t max_clusters, const ReuseTailConstants& constants);

}  // namespace stowage
