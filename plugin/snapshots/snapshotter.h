#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "plugin/snapshots/disk_usage.h"
#include "plugin/snapshots/id_mapped_mounts.h"
#include "plugin/snapshots/id_mapping.h"
#include "plugin/snapshots/overlay_features.h"
#include "plugin/snapshots/remote_layers.h"
#include "plugin/snapshots/snapshot.h"
#include "plugin/snapshots/snapshot_directories.h"
#include "plugin/snapshots/snapshot_store.h"

namespace stowage {

// The label by which containerd asks for a layer that need not be fetched; its value is the chain
// ID.
inline constexpr char kSnapshotRefLabel[] = "containerd.io/snapshot.ref";

struct SnapshotterOptions {
  std::string
      state_directory;        // "snapshots/" is made inside; on a file system that overlayfs takes
  std::string database_path;  // stowage.db
  std::string fuse_mountpoint;     // below which lower directories of remote layers are
  std::string overlay_mountpoint;  // below which all are with ViewDriver::kOverlay; "" without it
  std::string overlay_snapshots;   // "snapshots/" by way of that mount
  OverlayFeatures overlay = DetectOverlayFeatures();
  // Told about what went wrong without failing a call: one line each, from any thread.
  std::function<void(absl::string_view)> warn = [](absl::string_view) {};
};

// containerd's snapshot contract: ordinary overlay snapshots, and remote ones whose layers lie in
// the Nix store. Decides; knows no gRPC, and mounts nothing but what maps ids (id_mapped_mounts.h).
//
// A snapshot with containerd's labels for a user namespace (id_mapping.h) gets lower directories
// with mapped ids, and an upper directory of the mapped root. FailedPrecondition where the kernel
// cannot map them. A layer whose own root directory belongs to the mapped root already holds such
// ids, and is shown as it is: containerd has copied the image for lack of the capability remap-ids
// (client/snapshotter_opts_unix.go), or a container with the same ids has written the layer.
//
// Errors of every call are those of containerd's overlayfs snapshotter: NotFound for an unknown key
// or parent, AlreadyExists for a taken key or name, InvalidArgument for a parent that is not
// committed, FailedPrecondition for what the snapshot's kind or children forbid; besides,
// Unavailable, ResourceExhausted, DataLoss and Internal from disk and database.
//
// Thread-safe. Survives kill -9 at any instant: what a call answered stays, what it did not answer
// is done or undone by the next Open.
class Snapshotter {
 public:
  // Opens the database, takes the state directory for this process, and brings rows and directories
  // in line. Errors: FailedPrecondition if another process holds the directory; as
  // OpenStateDatabase. remote_layers must outlive the snapshotter.
  static absl::StatusOr<std::unique_ptr<Snapshotter>> Open(SnapshotterOptions options,
                                                           RemoteLayers& remote_layers);

  // Makes a writable snapshot `key` on the committed snapshot `parent` ("" for none). With the
  // label containerd.io/snapshot.ref naming a chain that RemoteLayers knows on this parent, makes
  // the committed remote snapshot instead and answers AlreadyExists, which is how containerd learns
  // that there is nothing to fetch; that row is durable by then. Never runs Nix, hashes or touches
  // the network.
  absl::StatusOr<std::vector<Mount>> Prepare(absl::string_view key, absl::string_view parent,
                                             const SnapshotLabels& labels);
  // Makes a read-only snapshot `key` of `parent`.
  absl::StatusOr<std::vector<Mount>> View(absl::string_view key, absl::string_view parent,
                                          const SnapshotLabels& labels);
  // What Prepare or View answered; the same at every call.
  absl::StatusOr<std::vector<Mount>> Mounts(absl::string_view key);
  // Turns the active snapshot `key` into the committed `name`, whose labels are `labels` only.
  absl::Status Commit(absl::string_view name, absl::string_view key, const SnapshotLabels& labels);
  // Forgets a snapshot without children. Its files go in the background.
  absl::Status Remove(absl::string_view key);
  absl::StatusOr<Snapshot> Stat(absl::string_view key);
  // Changes labels of the snapshot `wanted.name`. field_paths: "labels" or none at all replaces all
  // labels, "labels.<name>" sets or (where wanted has none) deletes one; InvalidArgument for any
  // other path.
  absl::StatusOr<Snapshot> Update(const Snapshot& wanted,
                                  absl::Span<const std::string> field_paths);
  // Calls `visit` for each snapshot that any of the filters (snapshot_filter.h) matches, parents
  // first; no filter matches everything. No lock is held during `visit`; the first error it returns
  // ends the walk. Errors: InvalidArgument for a filter that cannot be parsed.
  absl::Status Walk(absl::Span<const std::string> filters,
                    absl::FunctionRef<absl::Status(const Snapshot&)> visit);
  // Measured for an active snapshot, recorded at Commit for an ordinary committed one, zero for
  // views and remote snapshots, whose bytes are the Nix store's. Errors: OutOfRange at an active
  // one of more than max_inodes.
  absl::StatusOr<SnapshotUsage> Usage(absl::string_view key, int64_t max_inodes = kAllInodes);
  // Tries again to delete what earlier removals left behind. Returns at once.
  absl::Status Cleanup();

  // Whether Mounts of `key` asks for remote layers, and so may wait for a disk or for stowage-fuse;
  // otherwise it answers from memory, as Stat always does.
  bool MountsMayWait(absl::string_view key) const;

 private:
  Snapshotter(SnapshotterOptions options, RemoteLayers& remote_layers,
              std::unique_ptr<SnapshotStore> store,
              std::unique_ptr<SnapshotDirectories> directories,
              std::unique_ptr<IdMappedMounts> id_mapped_mounts);

  absl::Status Reconcile();
  absl::StatusOr<std::vector<Mount>> Create(SnapshotKind kind, absl::string_view key,
                                            absl::string_view parent, const SnapshotLabels& labels);
  // The committed snapshot of that name; nullopt for "".
  absl::StatusOr<std::optional<StoredSnapshot>> FindParent(absl::string_view parent);
  // True if the remote snapshot of that chain is there now.
  bool CommitRemote(absl::string_view chain_id, absl::string_view key,
                    const std::optional<StoredSnapshot>& parent, const SnapshotLabels& labels);
  // What is below a snapshot.
  struct Lowers {
    std::vector<std::string> directories;  // top first
    // kFuse also where there are no layers of the store.
    ViewDriver driver = ViewDriver::kFuse;
  };
  // Directories that show `id` and everything below it.
  absl::StatusOr<Lowers> LowersBy(ViewDriver driver, int64_t id);
  // The same by the first driver that can.
  absl::StatusOr<Lowers> LowersForNew(int64_t id);
  absl::StatusOr<std::vector<Mount>> MountsOf(SnapshotKind kind, int64_t id, Lowers lowers);
  // The same directories, top first, as a container with this mapping needs them.
  absl::StatusOr<std::vector<std::string>> MapIds(const IdMapping& mapping,
                                                  std::vector<std::string> lower_directories);
  // Whether the directory is an ordinary layer's and belongs to the mapping's root.
  bool HoldsMappedIds(const std::string& lower_directory, const IdMapping& mapping) const;
  // After a snapshot that was active or a view: what only its mapping needed goes.
  void LeaveMapping(absl::string_view key, const SnapshotLabels& labels);
  // Unmounts what no snapshot asks for any longer.
  absl::Status RemoveUnusedMappings();

  const SnapshotterOptions options_;
  RemoteLayers& remote_layers_;
  const std::unique_ptr<SnapshotStore> store_;
  const std::unique_ptr<SnapshotDirectories> directories_;
  const std::unique_ptr<IdMappedMounts> id_mapped_mounts_;
};

}  // namespace stowage
