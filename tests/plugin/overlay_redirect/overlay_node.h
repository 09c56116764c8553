#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plugin/overlay_redirect/overlay_views.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// Names of store paths of a made-up store.
inline const std::string kTree = "00000000000000000000000000000001-tree";
inline const std::string kFile = "00000000000000000000000000000002-file";
inline const std::string kLink = "00000000000000000000000000000003-link";
inline const std::string kProgram = "00000000000000000000000000000004-program";
// In the store, and in no view of the tests.
inline const std::string kForeign = "00000000000000000000000000000009-foreign";

// A store and a state directory of their own, in this program's mount namespace; the program exits
// 77 before any test where that cannot be had.
class OverlayNode {
 public:
  OverlayNode();
  ~OverlayNode();

  std::string Path(const std::string& name) const { return directory_.Join(name); }
  std::string StorePath(const std::string& name) const { return Path("nix/store/" + name); }
  OverlayViewsOptions Options() const;
  // Requires success.
  void Open();
  // As if stowaged had ended.
  void Close() { views_.reset(); }
  OverlayViews& views() { return *views_; }
  absl::StatusOr<std::string> Skeleton(int64_t number, const std::vector<std::string>& names);
  std::string secret_name() const;
  // Lines that OverlayViews has warned with.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Lower directories of a view of all store paths but kForeign, below `ordinary` (top first, in
  // the state directory).
  std::vector<std::string> Lowers(const std::vector<std::string>& ordinary = {});
  // Mounts an overlay with an upper directory of its own, as containerd would; returns its place.
  std::string Mount(const std::vector<std::string>& lowers);
  std::string UpperOf(const std::string& mounted) const { return mounted + ".upper"; }
  void Unmount(const std::string& place);

 private:
  TemporaryDirectory directory_;
  std::vector<std::string> warnings_;
  std::unique_ptr<OverlayViews> views_;
  std::vector<std::string> mounted_;
};

void WriteFile(const std::string& path, const std::string& content, mode_t mode = 0644);
bool Exists(const std::string& path);
// One line for everything in a tree: path, type and mode, owner, size, link target, content.
std::vector<std::string> DescribeTree(const std::string& root);

}  // namespace stowage::testing
