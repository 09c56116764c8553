#include "plugin/snapshots/snapshotter.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "plugin/snapshots/id_mapped_directory.h"
#include "plugin/snapshots/mount_builder.h"
#include "plugin/snapshots/snapshot_filter.h"

namespace stowage {
namespace {

absl::StatusOr<std::vector<SnapshotFilter>> ParseFilters(absl::Span<const std::string> texts) {
  std::vector<SnapshotFilter> filters;
  for (const std::string& text : texts) {
    STOWAGE_ASSIGN_OR_RETURN(SnapshotFilter filter, SnapshotFilter::Parse(text));
    filters.push_back(std::move(filter));
  }
  return filters;
}

bool AnyMatches(const std::vector<SnapshotFilter>& filters, const Snapshot& snapshot) {
  if (filters.empty()) return true;
  return std::any_of(filters.begin(), filters.end(),
                     [&](const SnapshotFilter& filter) { return filter.Matches(snapshot); });
}

// containerd asks for one label and one parent after every remote Prepare; reading all rows each
// time would make pulling n layers cost n * n.
void NarrowByLabel(const std::vector<SnapshotFilter>& filters, SnapshotPage& page) {
  if (filters.size() != 1) return;
  for (const FilterSelector& selector : filters.front().selectors()) {
    if (selector.field != FilterSelector::Field::kLabel || selector.label.empty() ||
        selector.comparison != FilterSelector::Operator::kEqual)
      continue;
    page.label_name = selector.label;
    page.label_value = selector.value;
    return;
  }
}

std::vector<IdMappedMounts::Source> MappedSources(const SnapshotterOptions& options) {
  std::vector<IdMappedMounts::Source> sources = {
      {"snapshots", absl::StrCat(options.state_directory, "/snapshots")},
      {"profiles", absl::StrCat(options.state_directory, "/profiles")},
      {kIdMappedFuseName, options.fuse_mountpoint}};
  if (!options.overlay_mountpoint.empty())
    sources.push_back({"overlay", options.overlay_mountpoint});
  return sources;
}

bool IsOrdinaryLayer(const SnapshotterOptions& options, absl::string_view lower_directory) {
  return absl::StartsWith(lower_directory, absl::StrCat(options.state_directory, "/snapshots/")) ||
         (!options.overlay_snapshots.empty() &&
          absl::StartsWith(lower_directory, options.overlay_snapshots + "/"));
}

// Labels of a layer that is being unpacked can be the annotations of somebody's image.
absl::StatusOr<std::optional<IdMapping>> MappingOf(const SnapshotLabels& labels) {
  if (labels.contains(kSnapshotRefLabel)) return std::nullopt;
  return IdMappingOf(labels);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Snapshotter>> Snapshotter::Open(SnapshotterOptions options,
                                                               RemoteLayers& remote_layers) {
  STOWAGE_ASSIGN_OR_RETURN(
      std::unique_ptr<SnapshotDirectories> directories,
      SnapshotDirectories::Open(absl::StrCat(options.state_directory, "/snapshots"), options.warn));
  STOWAGE_ASSIGN_OR_RETURN(std::unique_ptr<SnapshotStore> store,
                           SnapshotStore::Open(options.database_path));
  STOWAGE_ASSIGN_OR_RETURN(
      std::unique_ptr<IdMappedMounts> id_mapped_mounts,
      IdMappedMounts::Open(IdMappedDirectory(options.state_directory), MappedSources(options)));
  std::unique_ptr<Snapshotter> snapshotter(new Snapshotter(std::move(options), remote_layers,
                                                           std::move(store), std::move(directories),
                                                           std::move(id_mapped_mounts)));
  STOWAGE_RETURN_IF_ERROR(Annotate(snapshotter->Reconcile(), "reconcile snapshots"));
  return snapshotter;
}

Snapshotter::Snapshotter(SnapshotterOptions options, RemoteLayers& remote_layers,
                         std::unique_ptr<SnapshotStore> store,
                         std::unique_ptr<SnapshotDirectories> directories,
                         std::unique_ptr<IdMappedMounts> id_mapped_mounts)
    : options_(std::move(options)),
      remote_layers_(remote_layers),
      store_(std::move(store)),
      directories_(std::move(directories)),
      id_mapped_mounts_(std::move(id_mapped_mounts)) {}

absl::Status Snapshotter::Reconcile() {
  STOWAGE_RETURN_IF_ERROR(directories_->RemoveLeftovers());
  STOWAGE_RETURN_IF_ERROR(directories_->RemoveUnplaced());
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, directories_->Ids());
  absl::flat_hash_set<int64_t> unclaimed(ids.begin(), ids.end());
  size_t with_directory = 0;
  std::vector<std::string> without_directory;  // keys, parents first
  SnapshotPage page;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<StoredSnapshot> rows, store_->Read(page));
    if (rows.empty()) break;
    for (const StoredSnapshot& row : rows) {
      if (!row.has_directory()) continue;
      if (unclaimed.erase(row.id) != 0) {
        ++with_directory;
      } else {
        without_directory.push_back(row.snapshot.name);
      }
    }
    page.after_id = rows.back().id;
  }
  if (!directories_->Marked() && with_directory == 0 && !without_directory.empty())
    return absl::FailedPreconditionError(
        absl::StrCat("none of ", without_directory.size(), " snapshots has its directory in ",
                     options_.state_directory, "/snapshots: mount its file system, or remove ",
                     options_.database_path, " to start with nothing"));
  // Placed but not committed, or its row was removed just before the end.
  for (const int64_t id : unclaimed) STOWAGE_RETURN_IF_ERROR(directories_->RemoveLater(id));
  // Only power loss or a person does this. A child with files of its own keeps its parent's row:
  // its files are somebody's.
  for (auto key = without_directory.rbegin(); key != without_directory.rend(); ++key) {
    const absl::Status removed = store_->Remove(*key).status();
    if (!removed.ok() && !absl::IsFailedPrecondition(removed)) return removed;
    options_.warn(absl::StrCat("snapshot ", *key, " has lost its directory; ",
                               removed.ok() ? "forgotten" : "kept, since other snapshots need it"));
  }
  const absl::Status unmounted = RemoveUnusedMappings();
  if (!unmounted.ok())
    options_.warn(absl::StrCat("unmount what no snapshot needs: ", unmounted.message()));
  return directories_->Mark();
}

absl::StatusOr<std::vector<Mount>> Snapshotter::Prepare(absl::string_view key,
                                                        absl::string_view parent,
                                                        const SnapshotLabels& labels) {
  const auto ref = labels.find(kSnapshotRefLabel);
  if (ref != labels.end() && !ref->second.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(const std::optional<StoredSnapshot> found, FindParent(parent));
    if (CommitRemote(ref->second, key, found, labels))
      return absl::AlreadyExistsError(absl::StrCat("snapshot of chain ", ref->second,
                                                   " is there; nothing needs to be fetched"));
  }
  return Create(SnapshotKind::kActive, key, parent, labels);
}

absl::StatusOr<std::vector<Mount>> Snapshotter::View(absl::string_view key,
                                                     absl::string_view parent,
                                                     const SnapshotLabels& labels) {
  return Create(SnapshotKind::kView, key, parent, labels);
}

absl::StatusOr<std::optional<StoredSnapshot>> Snapshotter::FindParent(absl::string_view parent) {
  if (parent.empty()) return std::nullopt;
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot stored, store_->Find(parent));
  if (stored.snapshot.kind != SnapshotKind::kCommitted)
    return absl::InvalidArgumentError(
        absl::StrCat("parent snapshot ", parent, " is not committed"));
  return stored;
}

bool Snapshotter::CommitRemote(absl::string_view chain_id, absl::string_view key,
                               const std::optional<StoredSnapshot>& parent,
                               const SnapshotLabels& labels) {
  // An ordinary parent's own label says only what somebody claimed its content to be.
  if (parent.has_value() && !parent->is_remote()) return false;
  const auto commit = [&]() -> absl::Status {
    STOWAGE_ASSIGN_OR_RETURN(const Digest chain, Digest::Parse(chain_id));
    std::optional<Digest> parent_chain;
    if (parent.has_value()) {
      STOWAGE_ASSIGN_OR_RETURN(parent_chain, Digest::Parse(parent->chain_id));
    }
    STOWAGE_ASSIGN_OR_RETURN(std::vector<int64_t> layers,
                             remote_layers_.FindChain(chain, parent_chain));
    NewSnapshot snapshot;
    snapshot.kind = SnapshotKind::kCommitted;
    // containerd's own names begin with a namespace and a number.
    snapshot.key = absl::StrCat("remote/", chain_id, "/", parent.has_value() ? parent->id : 0);
    if (parent.has_value()) snapshot.parent = parent->snapshot.name;
    snapshot.labels = labels;
    snapshot.chain_id = std::string(chain_id);
    snapshot.layers = std::move(layers);
    return store_->EnsureRemote(snapshot, kSnapshotRefLabel);
  };
  const absl::Status status = commit();
  if (!status.ok() && !absl::IsNotFound(status))
    options_.warn(absl::StrCat(
        "prepare ", key, ": chain ", chain_id,
        " becomes an ordinary snapshot, whose layer must be fetched: ", status.message()));
  return status.ok();
}

absl::StatusOr<std::vector<Mount>> Snapshotter::Create(SnapshotKind kind, absl::string_view key,
                                                       absl::string_view parent,
                                                       const SnapshotLabels& labels) {
  STOWAGE_ASSIGN_OR_RETURN(const std::optional<StoredSnapshot> found, FindParent(parent));
  STOWAGE_RETURN_IF_ERROR(store_->RequireFree(key));
  // Before anything is made: a container whose layers cannot be shown fails here and leaves
  // nothing.
  Lowers lowers;
  if (found.has_value()) {
    STOWAGE_ASSIGN_OR_RETURN(lowers, LowersForNew(found->id));
  }
  STOWAGE_ASSIGN_OR_RETURN(const std::optional<IdMapping> mapping, MappingOf(labels));
  std::optional<SnapshotDirectories::Owner> owner;
  std::optional<IdMappedMounts::Hold> hold;
  absl::Cleanup leave_mapping = [&] {
    hold.reset();
    LeaveMapping(key, labels);
  };
  if (mapping.has_value()) {
    owner = {mapping->root_uid, mapping->root_gid};
    hold.emplace(id_mapped_mounts_->HoldMapping(*mapping));
    auto mapped = MapIds(*mapping, std::move(lowers.directories));
    if (!mapped.ok()) return Annotate(mapped.status(), absl::StrCat("prepare snapshot ", key));
    lowers.directories = *std::move(mapped);
  }
  std::optional<NewSnapshotDirectory> directory;
  if (kind == SnapshotKind::kActive || !found.has_value()) {
    // A remote parent's root is not looked at: layers of store paths have no root directory of
    // their own, and a file system whose server is being replaced would keep us waiting.
    const bool copy_root = found.has_value() && !found->is_remote();
    STOWAGE_ASSIGN_OR_RETURN(
        NewSnapshotDirectory made,
        directories_->Create(kind == SnapshotKind::kActive,
                             copy_root ? std::optional(found->id) : std::nullopt, owner));
    directory.emplace(std::move(made));
  }
  NewSnapshot snapshot;
  snapshot.kind = kind;
  snapshot.key = std::string(key);
  snapshot.parent = std::string(parent);
  snapshot.labels = labels;
  snapshot.driver = lowers.driver;
  std::vector<Mount> mounts;
  const auto place = [&](int64_t id) -> absl::Status {
    STOWAGE_ASSIGN_OR_RETURN(mounts, MountsOf(kind, id, std::move(lowers)));
    return directory.has_value() ? directory->Place(id) : absl::OkStatus();
  };
  STOWAGE_RETURN_IF_ERROR(store_->Create(snapshot, place).status());
  if (directory.has_value()) directory->Keep();
  std::move(leave_mapping).Cancel();
  return mounts;
}

absl::StatusOr<Snapshotter::Lowers> Snapshotter::LowersBy(ViewDriver driver, int64_t id) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ChainLink> chain, store_->Chain(id));
  std::vector<LowerDirectory> directories;
  bool has_remote = false;
  for (size_t i = 0; i < chain.size();) {
    if (!chain[i].is_remote) {
      directories.push_back({directories_->UpperPath(chain[i++].id)});
      continue;
    }
    has_remote = true;
    const size_t top = i;
    while (i < chain.size() && chain[i].is_remote) ++i;
    std::vector<int64_t> layers;  // base first, while the chain is top first
    for (size_t link = i; link-- > top;)
      layers.insert(layers.end(), chain[link].layers.begin(), chain[link].layers.end());
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<LowerDirectory> shown,
                             remote_layers_.LowerDirectories(layers, driver));
    directories.insert(directories.end(), shown.begin(), shown.end());
  }
  Lowers lowers;
  if (has_remote && driver == ViewDriver::kOverlay) {
    lowers.driver = driver;
    STOWAGE_ASSIGN_OR_RETURN(lowers.directories,
                             remote_layers_.ArrangeForOverlay(std::move(directories)));
    return lowers;
  }
  for (LowerDirectory& directory : directories)
    lowers.directories.push_back(std::move(directory.path));
  return lowers;
}

absl::StatusOr<Snapshotter::Lowers> Snapshotter::LowersForNew(int64_t id) {
  absl::Status why;
  for (const ViewDriver driver : remote_layers_.Drivers()) {
    if (!why.ok())
      options_.warn(absl::StrCat("the kernel alone cannot show a snapshot, stowage-fuse is tried: ",
                                 why.message()));
    absl::StatusOr<Lowers> lowers = LowersBy(driver, id);
    if (lowers.ok()) return lowers;
    why = lowers.status();
  }
  return why;
}

absl::StatusOr<std::vector<Mount>> Snapshotter::MountsOf(SnapshotKind kind, int64_t id,
                                                         Lowers lowers) {
  return BuildMounts({kind, directories_->UpperPath(id), directories_->WorkPath(id),
                      std::move(lowers.directories), lowers.driver == ViewDriver::kOverlay},
                     options_.overlay);
}

bool Snapshotter::HoldsMappedIds(const std::string& lower_directory,
                                 const IdMapping& mapping) const {
  // Root's own files show nothing; FUSE must not be asked, and profiles are root's.
  const bool moves_root = mapping.root_uid != 0 || mapping.root_gid != 0;
  struct stat root;
  return moves_root && IsOrdinaryLayer(options_, lower_directory) &&
         ::stat(lower_directory.c_str(), &root) == 0 && root.st_uid == mapping.root_uid &&
         root.st_gid == mapping.root_gid;
}

absl::StatusOr<std::vector<std::string>> Snapshotter::MapIds(
    const IdMapping& mapping, std::vector<std::string> lower_directories) {
  std::vector<std::string> to_map;
  std::vector<size_t> places;
  for (size_t i = 0; i < lower_directories.size(); ++i) {
    if (HoldsMappedIds(lower_directories[i], mapping)) continue;
    to_map.push_back(lower_directories[i]);
    places.push_back(i);
  }
  const auto mapped = id_mapped_mounts_->Map(mapping, to_map);
  if (mapped.ok()) {
    for (size_t i = 0; i < places.size(); ++i) lower_directories[places[i]] = (*mapped)[i];
    return lower_directories;
  }
  // containerd's copy on top has all files of the layers below.
  const bool copied = !places.empty() && places.front() != 0;
  if (absl::IsFailedPrecondition(mapped.status()) && copied) return lower_directories;
  return mapped.status();
}

absl::Status Snapshotter::RemoveUnusedMappings() {
  return id_mapped_mounts_->KeepOnly([this]() -> absl::StatusOr<std::vector<IdMapping>> {
    std::vector<IdMapping> in_use;
    STOWAGE_ASSIGN_OR_RETURN(const auto pairs,
                             store_->LabelPairs(kUidMappingLabel, kGidMappingLabel));
    for (const auto& [uids, gids] : pairs) in_use.push_back({uids, gids});
    return in_use;
  });
}

void Snapshotter::LeaveMapping(absl::string_view key, const SnapshotLabels& labels) {
  if (!labels.contains(kUidMappingLabel)) return;
  // The snapshot is gone whatever happens to mounts; the next removal or start finds them.
  const absl::Status status = RemoveUnusedMappings();
  if (!status.ok())
    options_.warn(
        absl::StrCat("snapshot ", key, ": unmount what only it needed: ", status.message()));
}

absl::StatusOr<std::vector<Mount>> Snapshotter::Mounts(absl::string_view key) {
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, store_->Find(key));
  if (stored.snapshot.kind == SnapshotKind::kCommitted)
    return absl::FailedPreconditionError(
        absl::StrCat("mounts of snapshot ", key, ": it is committed, neither active nor a view"));
  Lowers lowers;
  if (stored.parent_id != 0) {
    STOWAGE_ASSIGN_OR_RETURN(lowers, LowersBy(stored.driver, stored.parent_id));
  }
  STOWAGE_ASSIGN_OR_RETURN(const std::optional<IdMapping> mapping,
                           MappingOf(stored.snapshot.labels));
  if (mapping.has_value()) {
    STOWAGE_ASSIGN_OR_RETURN(lowers.directories, MapIds(*mapping, std::move(lowers.directories)));
  }
  return MountsOf(stored.snapshot.kind, stored.id, std::move(lowers));
}

bool Snapshotter::MountsMayWait(absl::string_view key) const {
  if (store_->HasRemote(key)) return true;
  const auto stored = store_->Find(key);
  return stored.ok() && stored->snapshot.labels.contains(kUidMappingLabel);
}

absl::Status Snapshotter::Commit(absl::string_view name, absl::string_view key,
                                 const SnapshotLabels& labels) {
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, store_->Find(key));
  if (stored.snapshot.kind != SnapshotKind::kActive)
    return absl::FailedPreconditionError(
        absl::StrCat("commit snapshot ", key, ": it is not active"));
  // Before the transaction: walking a large layer must not keep other writers waiting.
  STOWAGE_ASSIGN_OR_RETURN(const SnapshotUsage usage,
                           MeasureDiskUsage(directories_->UpperPath(stored.id)));
  STOWAGE_RETURN_IF_ERROR(store_->Commit(stored.id, key, name, labels, usage));
  LeaveMapping(key, stored.snapshot.labels);
  return absl::OkStatus();
}

absl::Status Snapshotter::Remove(absl::string_view key) {
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot removed, store_->Remove(key));
  if (removed.is_remote()) remote_layers_.SnapshotsRemoved();
  LeaveMapping(key, removed.snapshot.labels);
  if (!removed.has_directory()) return absl::OkStatus();
  // The snapshot is gone for containerd whatever happens to its files; the next start finds them.
  const absl::Status taken_away = directories_->RemoveLater(removed.id);
  if (!taken_away.ok())
    options_.warn(absl::StrCat("remove snapshot ", key, ": ", taken_away.message()));
  return absl::OkStatus();
}

absl::StatusOr<Snapshot> Snapshotter::Stat(absl::string_view key) {
  STOWAGE_ASSIGN_OR_RETURN(StoredSnapshot stored, store_->Find(key));
  return std::move(stored.snapshot);
}

absl::StatusOr<Snapshot> Snapshotter::Update(const Snapshot& wanted,
                                             absl::Span<const std::string> field_paths) {
  return store_->Update(wanted, field_paths);
}

absl::Status Snapshotter::Walk(absl::Span<const std::string> filters,
                               absl::FunctionRef<absl::Status(const Snapshot&)> visit) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<SnapshotFilter> parsed, ParseFilters(filters));
  SnapshotPage page;
  NarrowByLabel(parsed, page);
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<StoredSnapshot> rows, store_->Read(page));
    for (const StoredSnapshot& row : rows)
      if (AnyMatches(parsed, row.snapshot)) STOWAGE_RETURN_IF_ERROR(visit(row.snapshot));
    if (rows.size() < static_cast<size_t>(page.limit)) return absl::OkStatus();
    page.after_id = rows.back().id;
  }
}

absl::StatusOr<SnapshotUsage> Snapshotter::Usage(absl::string_view key, int64_t max_inodes) {
  STOWAGE_ASSIGN_OR_RETURN(const StoredSnapshot stored, store_->Find(key));
  if (stored.snapshot.kind != SnapshotKind::kActive) return stored.usage;
  return MeasureDiskUsage(directories_->UpperPath(stored.id), max_inodes);
}

absl::Status Snapshotter::Cleanup() { return directories_->RemoveLeftovers(); }

}  // namespace stowage
