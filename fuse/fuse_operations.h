#pragma once

struct fuse_lowlevel_ops;

namespace stowage {

class FileSystem;
class WaitingRequests;

// What fuse_req_userdata must give. Both borrowed.
struct FuseServer {
  FileSystem* file_system;
  WaitingRequests* waiting;  // takes the requests that meet a promised object
  bool extended_attributes;  // as ConnectionSettings has it
};

// The operations of a FuseServer. Everything not listed there is answered ENOSYS or not at all by
// libfuse, which is what a read-only file system without extended attributes wants: the kernel
// stops asking.
const fuse_lowlevel_ops& FuseOperations();

}  // namespace stowage
