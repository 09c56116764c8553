#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/backing_table.h"
#include "fuse/saved_session.h"

namespace stowage {

// The store files that are registered with a connection for passthrough, and how often the kernel
// has each of them open. Thread-safe.
//
// While an inode is open the kernel wants every further OPEN to be answered alike, with the same
// backing id or with none (Linux: fs/fuse/iomode.c); else that one is EIO. So ids and counts
// are kept in the saved session (fuse/backing_table.h), and an id goes only when its file is not
// open. A file that the kernel does not let us register is served by READ until it is closed.
//
// A count may be too high, when a worker was killed in the moment of answering, and then keeps an
// id for the life of its object; it is never too low.
class BackingFiles {
 public:
  // Files that stay registered although nobody has them open. Each keeps a file of the store, its
  // inode and its name in the kernel's memory, about 2 KiB.
  static constexpr size_t kMaxClosed = 16384;

  // Takes over what earlier workers registered; ids of files that are not open are given back, as
  // their objects may have been removed meanwhile. fuse_fd: borrowed. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<BackingFiles>> TakeOver(const SavedSession& session,
                                                                int fuse_fd, LogFunction log);

  // Counts one more open of a regular file. backing_id: for the reply to OPEN; 0: none, answer
  // READ. open_file: opens the store's file, and is called if it is not registered yet; returns 0
  // or an errno, which is passed on. ENFILE if more files are open than the table has places.
  int Open(uint64_t nodeid, absl::FunctionRef<int(UniqueFd*)> open_file, int32_t* backing_id);
  // Counts one less: the kernel has taken our answer to a RELEASE, or not taken that to an OPEN.
  void Close(uint64_t nodeid);

  // Gives back the ids of a removed object, open or not; or, if it is not known which was removed,
  // of all files that are not open.
  void Forget(std::optional<uint64_t> object_number);

 private:
  struct Place {
    uint32_t number;
    // Where it stands in closed_, if it is not open.
    std::optional<std::list<uint64_t>::iterator> closed;
    bool give_back_when_closed = false;
  };
  using Places = absl::flat_hash_map<uint64_t, Place>;

  BackingFiles(BackingTable table, int fuse_fd, LogFunction log);

  int Register(uint64_t nodeid, int file_fd, int32_t* backing_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int32_t CountOpen(Place& place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack(Places::iterator found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A place of the table; nothing if all of them belong to open files.
  std::optional<uint32_t> TakePlace() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int fuse_fd_;
  const LogFunction log_;
  absl::Mutex mutex_;
  BackingTable table_ ABSL_GUARDED_BY(mutex_);
  Places places_ ABSL_GUARDED_BY(mutex_);               // by nodeid
  std::list<uint64_t> closed_ ABSL_GUARDED_BY(mutex_);  // nodeids, closed last first
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mutex_);  // places below table_.used()
  bool refusal_logged_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace stowage
