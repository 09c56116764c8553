#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace stowage {

// Walks along one direction of a graph's edges, many times in a row. Not thread-safe.
class ReachWalker {
 public:
  // edges: targets by source; borrowed for the walker's life.
  explicit ReachWalker(const std::vector<std::vector<uint32_t>>& edges)
      : edges_(edges), walk_of_(edges.size()) {}

  // The starts and all that can be reached from them, each once. Valid until the next call.
  const std::vector<uint32_t>& From(absl::Span<const uint32_t> starts);

 private:
  const std::vector<std::vector<uint32_t>>& edges_;
  uint32_t walk_ = 0;              // number of the walk, so that marks need no clearing
  std::vector<uint32_t> walk_of_;  // the last walk that reached the vertex
  std::vector<uint32_t> reached_;
};

}  // namespace stowage
