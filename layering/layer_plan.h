#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nix/closure.h"

namespace stowage {

// What a layering strategy sees of a closure.
struct LayerGraph {
  struct Node {
    std::string base_name;  // "HASH-NAME"
    uint64_t nar_size_bytes;
    std::vector<uint32_t> references;  // indices into nodes, any order; the node itself is ignored
  };
  std::vector<Node> nodes;      // any order, base names without duplicates
  std::vector<uint32_t> roots;  // indices of what was asked for
  // Root sets that many images share, most common first, for instance {always added packages},
  // {packages of `shell`}. Layers of one store path in a tier's closure come before all others, in
  // an order that depends on that closure alone, so that images which share the tier share a
  // prefix of layers (Docker's graph drivers reuse layers by chain ID, that is by prefix). A tier
  // that is empty or has a root outside the closure of `roots` has no effect.
  std::vector<std::vector<uint32_t>> tiers;
};

// The graph of a closure, index for index, without tiers.
LayerGraph LayerGraphOf(const Closure& closure);

// The kernel's overlayfs takes 500 lower directories (OVL_MAX_STACK); one is the profile layer's.
inline constexpr int kMaxLayers = 499;

struct LayerPlanOptions {
  std::string strategy = "reuse-tail";
  // Layers of store paths, 1..kMaxLayers; the profile layer is extra. Docker's graph drivers take
  // about 125 layers, 94 leave room for a Dockerfile's own.
  int max_layers = 94;
  // Store paths below this many bytes go into the shared layers of the tail, whatever room is left.
  // 0: no such floor.
  uint64_t min_layer_bytes = 0;
};

struct LayerPlan {
  // Indices into LayerGraph::nodes: layers base first, the members of each sorted by (name, hash).
  std::vector<std::vector<uint32_t>> layers;
};

// Distributes the closure of the graph's roots over at most `max_layers` layers.
//
// Each path reachable from a root lies in exactly one layer, no layer is empty; other nodes lie in
// none. A pure function: the order of nodes, references and roots has no influence.
// Errors: InvalidArgument for a strategy that does not exist (the message lists those that do),
// max_layers out of range, an index outside the graph, a base name without hyphen or given twice,
// a cycle of references (a Nix store holds none).
// Thread-safe. 5,000 paths take tens of milliseconds; memory is N^2/4 bytes up to 20,000 paths,
// linear above. Rule and constants: docs/layering.md.
absl::StatusOr<LayerPlan> BuildLayerPlan(const LayerGraph& graph, const LayerPlanOptions& options);

// All that decides about a plan besides the graph and its tiers: strategy, its version and
// constants, budget and floor, as one line of printable ASCII. For cache keys: equal texts give
// equal plans of equal graphs, by every build of this software.
// Errors: InvalidArgument as for BuildLayerPlan.
absl::StatusOr<std::string> LayerPlanIdentity(const LayerPlanOptions& options);

}  // namespace stowage
