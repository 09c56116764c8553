#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "fuse/backing_files.h"
#include "fuse/fault_log.h"
#include "fuse/index_directory.h"
#include "fuse/node_attributes.h"
#include "fuse/nodeid.h"
#include "fuse/store_files.h"

namespace stowage {

struct DirectoryEntry {
  absl::string_view name;
  NodeAttributes attributes;
  uint64_t next_offset = 0;  // where reading goes on behind this entry
  // Whether the attributes are whole and the kernel may remember the name.
  bool complete = false;
};

struct OpenedFile {
  std::shared_ptr<const StoreFile> file;  // owners: the descriptor cache and the request
  uint64_t size_bytes = 0;
};

// The tree that the mount shows, as answers to the kernel's questions:
//   /<view number>/nix/store/<base name>/...
//
// Knows no libfuse. All methods are thread-safe and return 0 or a positive errno: ENOENT, ENOTDIR,
// EISDIR, EINVAL as in POSIX; ESTALE for a nodeid whose view or object has no file any longer; EIO
// for damaged index files or a store that is not as it was indexed (logged once per object). Those
// that lead into an object give EAGAIN when it is promised, and its number in *promised (may be
// null): its store path is not there yet, and the question can be answered when it is.
class FileSystem {
 public:
  // Borrows all, which must outlive it. backing: null in data mode cached.
  FileSystem(IndexDirectory* indexes, StoreFiles* files, FaultLog* faults,
             BackingFiles* backing = nullptr)
      : indexes_(indexes), files_(files), faults_(faults), backing_(backing) {}

  int Lookup(uint64_t directory, absl::string_view name, NodeAttributes* attributes,
             uint64_t* promised = nullptr);
  int GetAttributes(uint64_t nodeid, NodeAttributes* attributes, uint64_t* promised = nullptr);
  int ReadLink(uint64_t nodeid, std::string* target, uint64_t* promised = nullptr);
  int OpenFile(uint64_t nodeid, OpenedFile* file, uint64_t* promised = nullptr);

  // Logs, once for the object, that reading the store's file failed.
  void ReportUnreadable(uint64_t nodeid, int error);

  // The kernel's OPEN and RELEASE, of regular files. Open gives ENOSYS in data mode cached; else
  // backing_id is 0 for a file that READ must serve. Close takes one Open back.
  int Open(uint64_t nodeid, int32_t* backing_id, uint64_t* promised);
  void Close(uint64_t nodeid);

  // Gives the entries from `offset` on (0: the first; "." and ".." included) to `visit` until it
  // returns false or there are no more.
  using Visitor = absl::FunctionRef<bool(const DirectoryEntry&)>;
  int ReadDirectory(uint64_t directory, uint64_t offset, Visitor visit,
                    uint64_t* promised = nullptr);

 private:
  // Where a nodeid leads inside an object.
  struct ObjectNode {
    std::shared_ptr<const ObjectIndex> object;  // owners: the cache and the request
    ObjectEntry entry;
  };

  int Resolve(const NodeAddress& address, ObjectNode* node, uint64_t* promised);
  int LookupView(absl::string_view name, NodeAttributes* attributes);
  int LookupSynthetic(const NodeAddress& directory, absl::string_view name,
                      NodeAttributes* attributes, uint64_t* promised);
  int SlotAttributes(uint32_t view, const ViewEntry& slot, NodeAttributes* attributes);
  int RootAttributes(NodeAttributes* attributes);
  // Passes the reader's answer on; logs EIO.
  int CheckObject(const ObjectIndex& object, int error);
  int CheckView(const ViewIndex& view, int error);

  int ReadRoot(uint64_t offset, Visitor visit);
  int ReadSynthetic(const NodeAddress& directory, uint64_t offset, Visitor visit);
  int ReadStoreDirectory(uint32_t view, uint64_t offset, Visitor visit);
  int ReadObjectDirectory(const NodeAddress& directory, uint64_t offset, Visitor visit,
                          uint64_t* promised);

  IndexDirectory* const indexes_;
  StoreFiles* const files_;
  FaultLog* const faults_;
  BackingFiles* const backing_;
};

}  // namespace stowage
