#include "layering/reuse_tail.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "layering/reach.h"
#include "layering/tail_clusters.h"

namespace stowage {
namespace {

// How the closure is cut: paths with a layer of their own, and the others, largest first.
struct Cut {
  std::vector<uint32_t> singles;
  std::vector<uint32_t> tail;
  uint32_t tail_layers = 0;  // the tail's share of the budget
};

std::vector<uint32_t> LargestFirst(const RankedClosure& closure) {
  std::vector<uint32_t> ranks(closure.size());
  for (uint32_t rank = 0; rank < ranks.size(); ++rank) ranks[rank] = rank;
  std::stable_sort(ranks.begin(), ranks.end(), [&closure](uint32_t a, uint32_t b) {
    return closure.nar_size_bytes[a] > closure.nar_size_bytes[b];
  });
  return ranks;
}

Cut CutClosure(const RankedClosure& closure, const LayerPlanOptions& options,
               const ReuseTailConstants& constants) {
  Cut cut;
  const auto budget = static_cast<uint32_t>(options.max_layers);
  const std::vector<uint32_t> by_size = LargestFirst(closure);
  if (closure.size() <= budget && options.min_layer_bytes == 0) {
    cut.singles = by_size;
    return cut;
  }
  const auto fits = [&](uint32_t rank) {
    return closure.nar_size_bytes[rank] >= options.min_layer_bytes;
  };
  const auto fitting = static_cast<uint32_t>(std::count_if(by_size.begin(), by_size.end(), fits));
  cut.tail_layers = std::max(1u, budget * constants.tail_percent / 100);
  if (fitting < budget) cut.tail_layers = std::min(cut.tail_layers, budget - fitting);
  // One cluster gets one layer; the rest of its share is better spent on single paths.
  if (closure.size() > constants.max_clustered_paths) cut.tail_layers = 1;
  const uint32_t max_singles = budget - cut.tail_layers;
  for (uint32_t rank : by_size) {
    const bool single = cut.singles.size() < max_singles && fits(rank);
    (single ? cut.singles : cut.tail).push_back(rank);
  }
  return cut;
}

// The smallest number of users (the path itself and all that reach it) of any of `members`.
uint32_t FewestUsers(const RankedClosure& closure, absl::Span<const uint32_t> members) {
  std::vector<bool> is_member(closure.size());
  for (uint32_t rank : members) is_member[rank] = true;
  std::vector<bool> below_member(closure.size());
  uint32_t fewest = closure.size();
  ReachWalker users(closure.referrers);
  for (size_t i = closure.size(); i-- > 0;) {
    const uint32_t rank = closure.references_first[i];
    for (uint32_t referrer : closure.referrers[rank]) {
      if (is_member[referrer] || below_member[referrer]) below_member[rank] = true;
    }
    // A path below a member has all of that member's users and the path itself: never the fewest.
    if (!is_member[rank] || below_member[rank]) continue;
    fewest = std::min(fewest, static_cast<uint32_t>(users.From({rank}).size()));
  }
  return fewest;
}

std::vector<TailCluster> ClustersOfTail(const RankedClosure& closure, const Cut& cut,
                                        const ReuseTailConstants& constants) {
  if (cut.tail.empty()) return {};
  if (cut.tail_layers == 1) return {{cut.tail, FewestUsers(closure, cut.tail)}};
  return ClusterTail(closure, cut.tail, cut.tail_layers, constants);
}

// Puts layers in their order: those of a tier first, in an order that only the tier's own closure
// decides; the others after them, most used first.
class LayerSorter {
 public:
  explicit LayerSorter(const RankedClosure& closure)
      : closure_(closure), dependencies_(closure.references), users_(closure.referrers) {}

  void AddSingle(uint32_t rank) {
    const uint32_t tier = closure_.tiers[rank];
    int64_t user_count = 0;
    for (uint32_t user : users_.From({rank})) user_count += closure_.tiers[user] <= tier ? 1 : 0;
    Add(tier, user_count, {rank});
  }

  void AddCluster(TailCluster cluster) {
    Add(closure_.tier_count, cluster.fewest_users, std::move(cluster.members));
  }

  RankedLayers Sorted() && {
    std::sort(layers_.begin(), layers_.end());
    RankedLayers sorted;
    for (auto& [key, members] : layers_) sorted.push_back(std::move(members));
    return sorted;
  }

 private:
  using Key = std::tuple<uint32_t, int64_t, size_t, uint32_t>;

  void Add(uint32_t tier, int64_t user_count, std::vector<uint32_t> members) {
    const size_t dependency_count = dependencies_.From(members).size();
    const uint32_t least = *std::min_element(members.begin(), members.end());
    layers_.emplace_back(Key(tier, -user_count, dependency_count, least), std::move(members));
  }

  const RankedClosure& closure_;
  ReachWalker dependencies_;
  ReachWalker users_;
  std::vector<std::pair<Key, std::vector<uint32_t>>> layers_;
};

}  // namespace

std::string Describe(const ReuseTailConstants& constants) {
  return absl::StrCat("tail-percent=", constants.tail_percent,
                      " path-survival=", constants.path_survival,
                      " user-absence=", constants.user_absence,
                      " max-start-clusters=", constants.max_start_clusters,
                      " max-clustered-paths=", constants.max_clustered_paths);
}

RankedLayers GroupReuseTail(const RankedClosure& closure, const LayerPlanOptions& options,
                            const ReuseTailConstants& constants) {
  const Cut cut = CutClosure(closure, options, constants);
  LayerSorter sorter(closure);
  for (uint32_t rank : cut.singles) sorter.AddSingle(rank);
  for (TailCluster& cluster : ClustersOfTail(closure, cut, constants)) {
    sorter.AddCluster(std::move(cluster));
  }
  return std::move(sorter).Sorted();
}

}  // namespace stowage
