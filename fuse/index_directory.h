#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "fuse/fault_log.h"
#include "fuse/lru_cache.h"
#include "fuse/object_index.h"
#include "fuse/view_index.h"

namespace stowage {

// How much stays mapped. The mapped bytes bound this process's resident memory, whatever the number
// of views and objects.
struct IndexDirectoryLimits {
  size_t max_views = 4096;
  size_t max_view_bytes = size_t{16} << 20;
  size_t max_objects = 8192;  // with max_views far below the kernel's limit of 65,530 mappings
  size_t max_object_bytes = size_t{48} << 20;
};

// The index files below a state directory, <state>/views/<number> and <state>/objects/<number>,
// mapped when they are first needed and unmapped when others are needed more. Thread-safe.
//
// Methods that return int give 0 or a positive errno: ESTALE for a number that has no file, EAGAIN
// for an object without a file that is promised (<state>/promises/<number>), EIO for a file that
// cannot be used (logged once).
class IndexDirectory {
 public:
  // state_directory_fd: O_PATH is enough. faults: borrowed, must outlive this.
  IndexDirectory(UniqueFd state_directory_fd, FaultLog* faults,
                 const IndexDirectoryLimits& limits = {});

  int View(uint64_t number, std::shared_ptr<const ViewIndex>* view);
  int Object(uint64_t number, std::shared_ptr<const ObjectIndex>* object);

  // Forgets an object's file, which has gone, or all of them.
  void ForgetObjects(std::optional<uint64_t> number);

  // 0 if the view's file is there now, else ENOENT; a view that has gone is forgotten.
  int FindView(uint64_t number);

  // Numbers of the view files, ascending; and when that directory changed last. EIO.
  int ListViews(std::vector<uint64_t>* numbers);
  int ViewsChangedAt(timespec* time);

 private:
  bool Exists(absl::string_view folder, uint64_t number) const;

  const UniqueFd state_directory_fd_;
  FaultLog* const faults_;
  LruCache<ViewIndex> views_;
  LruCache<ObjectIndex> objects_;
};

// A decimal number as the views' names are written: no sign, no leading zero; 0 if `name` is none
// or it is above max.
uint64_t ParseFileNumber(absl::string_view name, uint64_t max);

}  // namespace stowage
