#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "fuse/fault_log.h"
#include "fuse/lru_cache.h"
#include "fuse/object_index.h"

namespace stowage {

// A file of the store, open for reading.
struct StoreFile {
  UniqueFd fd;
  bool was_cached;  // before it was opened: its pages are somebody else's to keep
};

// Opens the regular files of the store and keeps the last used descriptors. Thread-safe.
class StoreFiles {
 public:
  // store_directory_fd: taken before anything of ours is mounted; O_PATH is enough. faults:
  // borrowed. max_open: how many descriptors are kept.
  StoreFiles(UniqueFd store_directory_fd, FaultLog* faults, size_t max_open);

  // The file of a regular entry, open for reading. EIO (logged once for the object) if it is
  // missing, not a regular file, or not, or no longer, as long as recorded: links are not followed
  // and nothing outside the store directory is ever opened. EMFILE and ENFILE are EIO as well.
  int Open(const ObjectIndex& object, const ObjectEntry& entry,
           std::shared_ptr<const StoreFile>* file);

  // As above, but the descriptor is the caller's and is not kept.
  int OpenOnce(const ObjectIndex& object, const ObjectEntry& entry, UniqueFd* fd);

  // Closes the files of a removed object, or all, as soon as no request uses them.
  void Forget(std::optional<uint64_t> object_number);

 private:
  const UniqueFd store_directory_fd_;
  FaultLog* const faults_;
  LruCache<StoreFile> open_files_;  // by nodeid
};

}  // namespace stowage
