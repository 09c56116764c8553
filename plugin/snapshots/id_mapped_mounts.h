#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "plugin/snapshots/id_mapping.h"

namespace stowage {

// The mounts that show lower directories with the ids of user namespaces: for each mapping in use
// and each source one idmapped mount of the source, <directory>/<mapping>/<source's name>.
//
// containerd could make them itself (mount options uidmap= and gidmap=, from 2.0 on), but not for
// lower directories on several mounts: 2.0.7 to 2.2 clone the directory above all of them without
// what is mounted below, 2.3 needs all that is mounted below to be mappable.
//
// A mount is only needed until overlayfs has it as a lower directory, which keeps a clone; but
// containerd may mount a snapshot at any time, so it stays while a snapshot asks for its mapping.
// Nothing is remembered: what is mounted is read from the kernel, who needs it from the database.
// Survives kill -9 at any instant. Thread-safe.
class IdMappedMounts {
 public:
  // A directory whose subdirectories can be mapped.
  struct Source {
    std::string name;
    std::string directory;  // as it stands in the paths given to Map
  };

  // Keeps the mounts of a mapping while no row asks for them yet.
  class Hold {
   public:
    Hold(Hold&& other) noexcept
        : mounts_(std::exchange(other.mounts_, nullptr)), name_(std::move(other.name_)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold();

   private:
    friend class IdMappedMounts;
    Hold(IdMappedMounts* mounts, std::string name) : mounts_(mounts), name_(std::move(name)) {}
    IdMappedMounts* mounts_;  // null: moved from
    std::string name_;
  };

  // Makes the directory where needed. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<IdMappedMounts>> Open(std::string directory,
                                                              std::vector<Source> sources);

  // To be had before Map for a snapshot that has no row yet, until it has one.
  Hold HoldMapping(const IdMapping& mapping);

  // The same directories with mapped ids. Mounts what is not mounted, or shows something else than
  // its source does now: stowage-fuse may have mounted anew. Errors: as CloneWithIds and
  // MakeUserNamespace; InvalidArgument for a directory below no source.
  absl::StatusOr<std::vector<std::string>> Map(const IdMapping& mapping,
                                               const std::vector<std::string>& directories);

  // Unmounts all that is neither held nor in use. in_use: called under a lock that keeps Holds
  // waiting. Errors: its own; the errno's, after trying all.
  absl::Status KeepOnly(absl::FunctionRef<absl::StatusOr<std::vector<IdMapping>>()> in_use);

 private:
  IdMappedMounts(std::string directory, std::string real_directory, std::vector<Source> sources)
      : directory_(std::move(directory)),
        real_directory_(std::move(real_directory)),
        sources_(std::move(sources)) {}
  // Mounts a source where it is not mounted.
  absl::Status Ensure(const IdMapping& mapping, const Source& source)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const std::string real_directory_;  // as mountinfo has it
  const std::vector<Source> sources_;
  // Held over system calls that mount, and over a query of the database; a leaf but for that one's.
  absl::Mutex mutex_;
  std::map<std::string, int> holds_ ABSL_GUARDED_BY(mutex_);  // by name of the mapping
};

}  // namespace stowage
