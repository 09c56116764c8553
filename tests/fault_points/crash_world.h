#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/images/image_builder.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"
#include "plugin/snapshots/snapshotter.h"
#include "tests/layering/synthetic_store.h"

namespace stowage::testing {

// What stowaged works on, without Nix, containerd and FUSE: a state directory and GC roots below
// `directory`, beside a made-up store of three paths. Opened as the daemon opens it.
class CrashWorld {
 public:
  CrashWorld(std::string directory, const SyntheticStore& store);

  absl::Status Open();
  Snapshotter& snapshotter() { return *snapshotter_; }
  LayerCatalog& catalog() { return *catalog_; }
  const std::string& directory() const { return directory_; }

  // Makes the image of the three paths. Its layers are held for an hour.
  absl::StatusOr<ImageRecord> BuildImage();
  // Replaces it by a provisional one.
  absl::StatusOr<ImageRecord> MakeProvisional();
  // Holds it once more, for an hour, without needing its paths; and has what came since.
  absl::Status HoldLazily();
  absl::Status KeepPromises();
  // Takes one of the three paths out of the store, and brings it back.
  void TakeLibraryAway();
  void BringLibraryBack();
  // Asks for a remote snapshot of that image as containerd does.
  absl::Status PrepareRemote();

  // "", or the first thing that a process which died has left over or has lost: rows, directories,
  // roots and index files must agree, and nothing unfinished may lie around. Waits for what is
  // deleted in the background.
  std::string Inconsistency();

 private:
  ImageBuilderOptions BuilderOptions() const;
  std::string Unclaimed();
  absl::StatusOr<std::vector<int64_t>> ImageLayers();

  const std::string directory_;
  const SyntheticStore& store_;
  std::unique_ptr<LayerCatalog> catalog_;
  std::unique_ptr<ImageTable> images_;
  std::unique_ptr<Snapshotter> snapshotter_;
};

// The store that CrashWorld wants.
void FillStore(const SyntheticStore& store);

// Does `work` in a child process that dies at its hit-th fault point, counted from 1. Returns the
// point's name, or "" if `work` was done before. Throws if the child fails.
std::string DieAt(int hit, const std::function<absl::Status()>& work);

}  // namespace stowage::testing
