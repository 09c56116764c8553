#include "nix/closure_assembly.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace stowage {

absl::StatusOr<Closure> AssembleClosure(std::vector<ListedObject> listed,
                                        absl::Span<const uint32_t> roots) {
  const auto out_of_range = [&](uint32_t index) { return index >= listed.size(); };
  bool valid = std::none_of(roots.begin(), roots.end(), out_of_range);
  for (const ListedObject& object : listed)
    valid = valid && std::none_of(object.references.begin(), object.references.end(), out_of_range);
  if (!valid) return absl::InternalError("assemble a closure: a reference leaves it");

  std::vector<uint32_t> order(listed.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return listed[a].path < listed[b].path; });
  std::vector<uint32_t> position(listed.size());
  for (uint32_t i = 0; i < order.size(); ++i) position[order[i]] = i;

  Closure closure;
  closure.objects.reserve(listed.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    StoreObject& object = closure.objects.emplace_back(std::move(listed[order[i]]));
    std::vector<uint32_t>& references = object.references;
    for (uint32_t& reference : references) reference = position[reference];
    std::erase(references, i);
    std::sort(references.begin(), references.end());
    references.erase(std::unique(references.begin(), references.end()), references.end());
  }
  for (const uint32_t root : roots)
    if (std::find(closure.roots.begin(), closure.roots.end(), position[root]) ==
        closure.roots.end())
      closure.roots.push_back(position[root]);
  return closure;
}

}  // namespace stowage
