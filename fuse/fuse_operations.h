#pragma once

struct fuse_lowlevel_ops;

namespace stowage {

// The operations of a FileSystem, which fuse_req_userdata must give. Everything not listed there is
// answered ENOSYS or not at all by libfuse, which is what a read-only file system without extended
// attributes wants: the kernel stops asking.
const fuse_lowlevel_ops& FuseOperations();

}  // namespace stowage
