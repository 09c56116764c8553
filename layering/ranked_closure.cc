#include "layering/ranked_closure.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "layering/reach.h"

namespace stowage {
namespace {

constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();

absl::Status CheckIndices(const LayerGraph& graph, absl::Span<const uint32_t> indices,
                          absl::string_view whose) {
  for (uint32_t index : indices) {
    if (index < graph.nodes.size()) continue;
    return absl::InvalidArgumentError(absl::StrCat("plan layers: ", whose, " names node ", index,
                                                   ", but the graph has ", graph.nodes.size(),
                                                   " nodes"));
  }
  return absl::OkStatus();
}

absl::Status CheckGraph(const LayerGraph& graph) {
  if (graph.nodes.size() >= kNoRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan layers: ", graph.nodes.size(), " nodes are more than 32 bits count"));
  }
  for (const LayerGraph::Node& node : graph.nodes) {
    STOWAGE_RETURN_IF_ERROR(CheckIndices(graph, node.references, node.base_name));
    if (node.base_name.find('-') == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("plan layers: '", node.base_name, "' is no HASH-NAME"));
    }
  }
  STOWAGE_RETURN_IF_ERROR(CheckIndices(graph, graph.roots, "the list of roots"));
  for (size_t tier = 0; tier < graph.tiers.size(); ++tier) {
    STOWAGE_RETURN_IF_ERROR(CheckIndices(graph, graph.tiers[tier], absl::StrCat("tier ", tier)));
  }
  return absl::OkStatus();
}

std::tuple<absl::string_view, absl::string_view> NameAndHash(const LayerGraph::Node& node) {
  const absl::string_view base_name = node.base_name;
  const size_t hyphen = base_name.find('-');
  return {base_name.substr(hyphen + 1), base_name.substr(0, hyphen)};
}

// All nodes in the order of ranks.
absl::StatusOr<std::vector<uint32_t>> SortNodes(const LayerGraph& graph) {
  std::vector<uint32_t> sorted(graph.nodes.size());
  for (uint32_t i = 0; i < sorted.size(); ++i) sorted[i] = i;
  std::sort(sorted.begin(), sorted.end(), [&graph](uint32_t a, uint32_t b) {
    return NameAndHash(graph.nodes[a]) < NameAndHash(graph.nodes[b]);
  });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const std::string& base_name = graph.nodes[sorted[i]].base_name;
    if (graph.nodes[sorted[i - 1]].base_name != base_name) continue;
    return absl::InvalidArgumentError(absl::StrCat("plan layers: ", base_name, " is given twice"));
  }
  return sorted;
}

// Fills in the edges, by rank. rank_of: rank of each node, kNoRank outside the closure.
void SetEdges(const LayerGraph& graph, absl::Span<const uint32_t> rank_of, RankedClosure& closure) {
  closure.references.resize(closure.size());
  closure.referrers.resize(closure.size());
  for (uint32_t rank = 0; rank < closure.size(); ++rank) {
    std::vector<uint32_t>& references = closure.references[rank];
    for (uint32_t node : graph.nodes[closure.nodes[rank]].references) {
      if (rank_of[node] != rank) references.push_back(rank_of[node]);
    }
    std::sort(references.begin(), references.end());
    references.erase(std::unique(references.begin(), references.end()), references.end());
    for (uint32_t reference : references) closure.referrers[reference].push_back(rank);
  }
}

// A path that takes part in a cycle. Each unsorted path has a reference that is unsorted too, so a
// walk along those ends in a cycle.
uint32_t MemberOfCycle(const RankedClosure& closure, const std::vector<uint32_t>& unsorted_count) {
  const auto unsorted = [&](uint32_t rank) { return unsorted_count[rank] != 0; };
  std::vector<bool> visited(closure.size());
  uint32_t at = 0;
  while (!unsorted(at)) ++at;
  while (!visited[at]) {
    visited[at] = true;
    const std::vector<uint32_t>& references = closure.references[at];
    at = *std::find_if(references.begin(), references.end(), unsorted);
  }
  return at;
}

absl::Status SortTopologically(const LayerGraph& graph, RankedClosure& closure) {
  std::vector<uint32_t> unsorted_count(closure.size());  // references not yet in the order
  std::vector<uint32_t>& order = closure.references_first;
  order.reserve(closure.size());
  for (uint32_t rank = 0; rank < closure.size(); ++rank) {
    unsorted_count[rank] = static_cast<uint32_t>(closure.references[rank].size());
    if (unsorted_count[rank] == 0) order.push_back(rank);
  }
  for (size_t next = 0; next < order.size(); ++next) {
    for (uint32_t referrer : closure.referrers[order[next]]) {
      if (--unsorted_count[referrer] == 0) order.push_back(referrer);
    }
  }
  if (order.size() == closure.size()) return absl::OkStatus();
  const uint32_t node = closure.nodes[MemberOfCycle(closure, unsorted_count)];
  return absl::InvalidArgumentError(
      absl::StrCat("plan layers: ", graph.nodes[node].base_name,
                   " refers to itself through other paths; a Nix store holds no such cycle"));
}

void SetTiers(const LayerGraph& graph, absl::Span<const uint32_t> rank_of, RankedClosure& closure) {
  closure.tier_count = static_cast<uint32_t>(graph.tiers.size());
  closure.tiers.assign(closure.size(), closure.tier_count);
  ReachWalker walker(closure.references);
  for (uint32_t tier = closure.tier_count; tier-- > 0;) {
    std::vector<uint32_t> roots;
    for (uint32_t node : graph.tiers[tier]) roots.push_back(rank_of[node]);
    if (std::find(roots.begin(), roots.end(), kNoRank) != roots.end()) continue;
    for (uint32_t rank : walker.From(roots)) closure.tiers[rank] = tier;
  }
}

}  // namespace

absl::StatusOr<RankedClosure> RankClosure(const LayerGraph& graph) {
  STOWAGE_RETURN_IF_ERROR(CheckGraph(graph));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<uint32_t> sorted, SortNodes(graph));

  std::vector<bool> reached(graph.nodes.size());
  std::vector<uint32_t> pending = graph.roots;
  while (!pending.empty()) {
    const uint32_t node = pending.back();
    pending.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    const std::vector<uint32_t>& references = graph.nodes[node].references;
    pending.insert(pending.end(), references.begin(), references.end());
  }

  RankedClosure closure;
  std::vector<uint32_t> rank_of(graph.nodes.size(), kNoRank);
  for (uint32_t node : sorted) {
    if (!reached[node]) continue;
    rank_of[node] = closure.size();
    closure.nodes.push_back(node);
    closure.nar_size_bytes.push_back(graph.nodes[node].nar_size_bytes);
  }
  SetEdges(graph, rank_of, closure);
  STOWAGE_RETURN_IF_ERROR(SortTopologically(graph, closure));
  SetTiers(graph, rank_of, closure);
  return closure;
}

}  // namespace stowage
