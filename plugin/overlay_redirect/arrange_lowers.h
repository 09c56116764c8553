#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "plugin/snapshots/view_driver.h"

namespace stowage {

// The layers that all views of a node share; see docs/overlay-redirect.md.
struct RedirectLayers {
  std::string cap;
  std::string mask;
  std::string store_parent;
};

// What goes into lowerdir, top first, for ordinary layers and skeletons in an image's order (top
// first, at least one skeleton).
//
// Skeletons go to the bottom, directly below the cap: then no attribute in an ordinary layer leads
// into the store, even if somebody knows the secret name. Where an ordinary layer below a skeleton
// has a say in /nix, the image's order is kept, with the cap directly above the topmost skeleton:
// below a skeleton it would end the skeleton's own redirects, and layers there are without it.
// has_nix: whether an ordinary layer has anything named "nix" in its root. Pure but for that.
std::vector<std::string> ArrangeLowers(
    const std::vector<LowerDirectory>& directories, const RedirectLayers& layers,
    absl::FunctionRef<bool(const std::string& directory)> has_nix);

}  // namespace stowage
