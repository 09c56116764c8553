#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace stowage {

// The words of containerd's snapshot API as values; numbers as on the wire.
enum class SnapshotKind { kView = 1, kActive = 2, kCommitted = 3 };

// Ordered, so that every answer lists labels the same way. A label with an empty value does not
// exist.
using SnapshotLabels = std::map<std::string, std::string>;

// What Stat and List tell about one snapshot.
struct Snapshot {
  std::string name;    // of a committed snapshot; the key of any other
  std::string parent;  // name of the committed snapshot below; "" for none
  SnapshotKind kind = SnapshotKind::kActive;
  absl::Time created_at;
  absl::Time updated_at;
  SnapshotLabels labels;
};

// Disk space of what a snapshot adds to its parent.
struct SnapshotUsage {
  int64_t size_bytes = 0;
  int64_t inodes = 0;

  friend bool operator==(const SnapshotUsage&, const SnapshotUsage&) = default;
};

// One mount(2) that the caller makes. There is never a target: containerd 1.6 does not know it.
struct Mount {
  std::string type;
  std::string source;
  std::vector<std::string> options;

  friend bool operator==(const Mount&, const Mount&) = default;
};

}  // namespace stowage
