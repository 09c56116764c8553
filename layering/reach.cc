#include "layering/reach.h"

#include <cstddef>

namespace stowage {

const std::vector<uint32_t>& ReachWalker::From(absl::Span<const uint32_t> starts) {
  ++walk_;
  reached_.clear();
  const auto reach = [this](uint32_t vertex) {
    if (walk_of_[vertex] == walk_) return;
    walk_of_[vertex] = walk_;
    reached_.push_back(vertex);
  };
  for (uint32_t start : starts) reach(start);
  for (size_t next = 0; next < reached_.size(); ++next) {
    for (uint32_t target : edges_[reached_[next]]) reach(target);
  }
  return reached_;
}

}  // namespace stowage
