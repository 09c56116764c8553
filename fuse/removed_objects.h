#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace stowage {

// Tells which index files of objects are removed from a state directory, as the daemon does when
// nothing needs their store paths any longer. What is kept open of such a path would keep its bytes
// on disk, and Nix takes a store path for alive while a process has a file of it open.
class RemovedObjects {
 public:
  // From a thread of its own: the number of the removed object, or nothing when an unknown number
  // of them was removed.
  using Callback = std::function<void(std::optional<uint64_t> object_number)>;

  // state_directory_fd: of the directory above objects/, which may be made, removed and made again
  // later; O_PATH is enough. Needs /proc. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<RemovedObjects>> Watch(UniqueFd state_directory_fd,
                                                               Callback on_removed);
  // No callback runs or comes any more when this returns.
  ~RemovedObjects();
  RemovedObjects(const RemovedObjects&) = delete;
  RemovedObjects& operator=(const RemovedObjects&) = delete;

 private:
  RemovedObjects(UniqueFd state_directory_fd, Callback on_removed, UniqueFd inotify, UniqueFd stop);
  void Run(bool watching) noexcept;
  // False if there is no objects/ now.
  bool WatchObjects();
  // Passes on what has happened; false if objects/ itself was removed.
  bool ReadEvents();

  const UniqueFd state_directory_fd_;
  const Callback on_removed_;
  const UniqueFd inotify_;
  const UniqueFd stop_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace stowage
