#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "plugin/snapshots/remote_layers.h"

namespace stowage::testing {

// Chains registered by the test; a run of layers 1,2 is shown as the one directory /view/1-2.
class FakeRemoteLayers final : public RemoteLayers {
 public:
  // chain: any character, of which a digest is made. parent: likewise, nullopt for none.
  void Register(char chain, std::optional<char> parent, std::vector<int64_t> layers) {
    std::optional<Digest> parent_chain;
    if (parent.has_value()) parent_chain = ChainId(*parent);
    chains_[{ChainId(chain), parent_chain}] = std::move(layers);
  }

  static Digest ChainId(char c) {
    return Digest::FromHex(std::string(64, c)).value();  // the test's own characters are hex digits
  }

  absl::StatusOr<std::vector<int64_t>> FindChain(
      const Digest& chain_id, const std::optional<Digest>& parent_chain_id) override {
    if (!find_error.ok()) return find_error;
    const auto found = chains_.find({chain_id, parent_chain_id});
    if (found == chains_.end()) return absl::NotFoundError("not registered");
    return found->second;
  }

  std::vector<ViewDriver> Drivers() override { return drivers; }

  // By overlayfs a run is shown as /skeleton/1-2.
  absl::StatusOr<std::vector<LowerDirectory>> LowerDirectories(absl::Span<const int64_t> layers,
                                                               ViewDriver driver) override {
    if (!lower_error.ok()) return lower_error;
    const bool overlay = driver == ViewDriver::kOverlay;
    if (overlay && !overlay_error.ok()) return overlay_error;
    std::vector<LowerDirectory> directories;
    // Layers from 100 on are profiles: directories of their own, above the view.
    std::vector<int64_t> view;
    for (const int64_t layer : layers) {
      if (layer >= 100) {
        directories.insert(directories.begin(), {absl::StrCat("/profile/", layer)});
      } else {
        view.push_back(layer);
      }
    }
    if (!view.empty())
      directories.push_back(
          {absl::StrCat(overlay ? "/skeleton" : view_directory, "/", absl::StrJoin(view, "-")),
           overlay});
    return directories;
  }

  absl::StatusOr<std::vector<std::string>> ArrangeForOverlay(
      std::vector<LowerDirectory> directories) override {
    std::vector<std::string> arranged;
    for (const LowerDirectory& directory : directories) arranged.push_back(directory.path);
    arranged.push_back("/nix");
    return arranged;
  }

  void SnapshotsRemoved() override { ++removals; }

  std::string view_directory = "/view";
  absl::Status find_error;
  std::vector<ViewDriver> drivers = {ViewDriver::kFuse};
  absl::Status lower_error;
  absl::Status overlay_error;
  std::atomic<int> removals = 0;

 private:
  std::map<std::pair<Digest, std::optional<Digest>>, std::vector<int64_t>> chains_;
};

}  // namespace stowage::testing
