#include "plugin/overlay_redirect/arrange_lowers.h"

#include <algorithm>

namespace stowage {

std::vector<std::string> ArrangeLowers(
    const std::vector<LowerDirectory>& directories, const RedirectLayers& layers,
    absl::FunctionRef<bool(const std::string& directory)> has_nix) {
  const auto topmost =
      std::find_if(directories.begin(), directories.end(),
                   [](const LowerDirectory& directory) { return directory.is_skeleton; });
  const bool in_order = std::any_of(topmost, directories.end(), [&](const LowerDirectory& each) {
    return !each.is_skeleton && has_nix(each.path);
  });
  std::vector<std::string> arranged;
  for (auto each = directories.begin(); each != directories.end(); ++each) {
    if (in_order && each == topmost) arranged.push_back(layers.cap);
    if (in_order || !each->is_skeleton) arranged.push_back(each->path);
  }
  if (!in_order) {
    arranged.push_back(layers.cap);
    for (const LowerDirectory& each : directories)
      if (each.is_skeleton) arranged.push_back(each.path);
  }
  arranged.push_back(layers.mask);
  arranged.push_back(layers.store_parent);
  return arranged;
}

}  // namespace stowage
