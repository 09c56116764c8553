#include "layering/tail_clusters.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/numeric/int128.h"
#include "layering/bit_matrix.h"
#include "layering/reuse_tail.h"

namespace stowage {
namespace {

// For each rank the ranks it can reach along `edges`, itself included. order: all ranks, each
// after the targets of its edges.
template <typename Order>
BitMatrix ReachableSets(const std::vector<std::vector<uint32_t>>& edges, const Order& order) {
  BitMatrix reachable(edges.size(), edges.size());
  for (uint32_t rank : order) {
    const BitRow row = reachable.Row(rank);
    SetBit(row, rank);
    for (uint32_t target : edges[rank]) UniteInto(row, reachable.Row(target));
  }
  return reachable;
}

// What a byte of a cluster is worth, in 1/2^24: the chance that another image has one of the
// users all its members share, plus the chance that none of its dependencies changes.
class ValueTable {
 public:
  ValueTable(uint32_t path_count, const ReuseTailConstants& constants)
      : survival_(Powers(constants.path_survival, path_count)),
        absence_(Powers(constants.user_absence, path_count)) {}

  uint32_t Value(uint32_t user_count, uint32_t dependency_count) const {
    return kOne - absence_[user_count] + survival_[dependency_count];
  }

 private:
  static constexpr uint32_t kOne = uint32_t{1} << 24;

  // factor^0 ... factor^highest, rounded down at each step.
  static std::vector<uint32_t> Powers(uint32_t factor, uint32_t highest) {
    std::vector<uint32_t> powers = {kOne};
    for (uint32_t i = 0; i < highest; ++i) {
      powers.push_back(static_cast<uint32_t>(uint64_t{powers.back()} * factor >> 16));
    }
    return powers;
  }

  std::vector<uint32_t> survival_;
  std::vector<uint32_t> absence_;
};

class TailClustering {
 public:
  TailClustering(const RankedClosure& closure, absl::Span<const uint32_t> tail,
                 const ReuseTailConstants& constants);

  // Merges the pair that loses least.
  void MergeBestPair();
  size_t cluster_count() const { return live_.size(); }
  std::vector<TailCluster> Clusters() &&;

 private:
  struct Cluster {
    std::vector<uint32_t> members;
    uint32_t fewest_users;
    uint32_t least_rank;
    // 128 bits: sums of up to 2^32 sizes of 64 bits, times a value below 2^26, fit.
    absl::uint128 size_bytes;
    absl::uint128 worth;
  };

  void Join(size_t into, const Cluster& other, ConstBitRow users, ConstBitRow dependencies);
  absl::uint128 Worth(size_t cluster) const;
  absl::uint128 LossOfMerging(size_t a, size_t b) const;
  absl::uint128& Loss(size_t a, size_t b) {
    return losses_[std::min(a, b) * clusters_.size() + std::max(a, b)];
  }

  const ValueTable values_;
  std::vector<Cluster> clusters_;
  std::vector<size_t> live_;           // clusters not merged into another
  BitMatrix users_;                    // by cluster: what uses every member
  BitMatrix dependencies_;             // by cluster: what any member needs
  std::vector<absl::uint128> losses_;  // by pair, the smaller number first
};

TailClustering::TailClustering(const RankedClosure& closure, absl::Span<const uint32_t> tail,
                               const ReuseTailConstants& constants)
    : values_(closure.size(), constants),
      users_(std::min<size_t>(tail.size(), size_t{constants.max_start_clusters} + 1),
             closure.size()),
      dependencies_(std::min<size_t>(tail.size(), size_t{constants.max_start_clusters} + 1),
                    closure.size()) {
  const std::vector<uint32_t>& order = closure.references_first;
  const BitMatrix dependencies = ReachableSets(closure.references, order);
  const BitMatrix users =
      ReachableSets(closure.referrers, std::vector<uint32_t>(order.rbegin(), order.rend()));
  for (size_t i = 0; i < tail.size(); ++i) {
    const uint32_t rank = tail[i];
    const Cluster path = {
        {rank}, CountBits(users.Row(rank)), rank, closure.nar_size_bytes[rank], 0};
    if (i <= constants.max_start_clusters) {
      live_.push_back(i);
      clusters_.push_back(path);
      UniteInto(users_.Row(i), users.Row(rank));
      UniteInto(dependencies_.Row(i), dependencies.Row(rank));
    } else {
      Join(constants.max_start_clusters, path, users.Row(rank), dependencies.Row(rank));
    }
  }
  losses_.resize(clusters_.size() * clusters_.size());
  for (size_t i : live_) clusters_[i].worth = Worth(i);
  for (size_t a : live_) {
    for (size_t b = a + 1; b < clusters_.size(); ++b) Loss(a, b) = LossOfMerging(a, b);
  }
}

void TailClustering::Join(size_t into, const Cluster& other, ConstBitRow users,
                          ConstBitRow dependencies) {
  Cluster& cluster = clusters_[into];
  cluster.members.insert(cluster.members.end(), other.members.begin(), other.members.end());
  cluster.fewest_users = std::min(cluster.fewest_users, other.fewest_users);
  cluster.least_rank = std::min(cluster.least_rank, other.least_rank);
  cluster.size_bytes += other.size_bytes;
  IntersectInto(users_.Row(into), users);
  UniteInto(dependencies_.Row(into), dependencies);
}

absl::uint128 TailClustering::Worth(size_t cluster) const {
  return clusters_[cluster].size_bytes *
         values_.Value(CountBits(users_.Row(cluster)), CountBits(dependencies_.Row(cluster)));
}

// Never negative: users only shrink and dependencies only grow, and the tables fall.
absl::uint128 TailClustering::LossOfMerging(size_t a, size_t b) const {
  const uint32_t value = values_.Value(CountIntersection(users_.Row(a), users_.Row(b)),
                                       CountUnion(dependencies_.Row(a), dependencies_.Row(b)));
  return clusters_[a].worth + clusters_[b].worth -
         (clusters_[a].size_bytes + clusters_[b].size_bytes) * value;
}

void TailClustering::MergeBestPair() {
  using Key = std::tuple<absl::uint128, uint32_t, uint32_t>;
  Key best_key(absl::Uint128Max(), 0, 0);
  std::pair<size_t, size_t> best;
  for (auto a = live_.begin(); a != live_.end(); ++a) {
    for (auto b = a + 1; b != live_.end(); ++b) {
      const absl::uint128 loss = Loss(*a, *b);
      if (loss > std::get<0>(best_key)) continue;
      const auto [low, high] = std::minmax(clusters_[*a].least_rank, clusters_[*b].least_rank);
      if (const Key key(loss, low, high); key < best_key) {
        best_key = key;
        best = {*a, *b};
      }
    }
  }
  const auto [into, from] = best;
  Join(into, clusters_[from], users_.Row(from), dependencies_.Row(from));
  clusters_[into].worth = Worth(into);
  live_.erase(std::find(live_.begin(), live_.end(), from));
  for (size_t other : live_) {
    if (other != into) Loss(into, other) = LossOfMerging(into, other);
  }
}

std::vector<TailCluster> TailClustering::Clusters() && {
  std::vector<TailCluster> result;
  for (size_t i : live_) {
    result.push_back({std::move(clusters_[i].members), clusters_[i].fewest_users});
  }
  return result;
}

}  // namespace

std::vector<TailCluster> ClusterTail(const RankedClosure& closure, absl::Span<const uint32_t> tail,
                                     uint32_t max_clusters, const ReuseTailConstants& constants) {
  TailClustering clustering(closure, tail, constants);
  while (clustering.cluster_count() > max_clusters) clustering.MergeBestPair();
  return std::move(clustering).Clusters();
}

}  // namespace stowage
