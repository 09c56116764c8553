#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "plugin/snapshots/snapshot.h"

namespace stowage {

// containerd's labels for a container in a user namespace of its own (core/snapshots,
// LabelSnapshotUIDMapping): "CONTAINER:HOST:LENGTH[,...]".
inline constexpr char kUidMappingLabel[] = "containerd.io/snapshot/uidmapping";
inline constexpr char kGidMappingLabel[] = "containerd.io/snapshot/gidmapping";

// How the ids of such a container appear on the host. The texts are those of the labels.
struct IdMapping {
  std::string uids;
  std::string gids;
  uint32_t root_uid = 0;  // on the host
  uint32_t root_gid = 0;

  friend bool operator==(const IdMapping&, const IdMapping&) = default;
};

// The mapping that a snapshot's labels ask for; nullopt if they ask for none. Errors:
// InvalidArgument for a text that is no mapping, one that does not map root, and for one of the two
// labels alone. Pure.
absl::StatusOr<std::optional<IdMapping>> IdMappingOf(const SnapshotLabels& labels);

}  // namespace stowage
