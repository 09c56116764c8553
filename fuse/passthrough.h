#pragma once

#include <cstdint>

namespace stowage {

// The kernel's interface for files that it reads itself (linux/fuse.h of protocol 7.40, Linux 6.9;
// neither the headers nor the libfuse of Debian 12 have it). Thread-safe.

// FUSE_PASSTHROUGH, bit 37 of FUSE_INIT's flags, as seen in flags2.
inline constexpr uint32_t kInitPassthrough = uint32_t{1} << (37 - 32);
// max_stack_depth of FUSE_INIT's reply: files of file systems below this depth can be passed
// through, and the mount has it as its own. An overlay over the mount has one more, which is the
// kernel's limit of 2.
inline constexpr uint32_t kPassthroughStackDepth = 1;
// In the reply to OPEN. Not together with FOPEN_KEEP_CACHE.
inline constexpr uint32_t kOpenPassthrough = uint32_t{1} << 7;

// Registers a regular file with the connection behind fuse_fd; backing_id becomes its number, above
// 0. Numbers belong to the connection, not to the process; given out ascending, each used again
// only after all others. Returns 0 or a positive errno: EPERM without CAP_SYS_ADMIN in the initial
// user namespace; ELOOP for a file of a stacked file system, as overlayfs (Linux: fs/fuse).
int RegisterBackingFile(int fuse_fd, int file_fd, int32_t* backing_id);

// Takes the number away. What was opened with it stays open. ENOENT if there is no such number.
int UnregisterBackingFile(int fuse_fd, int32_t backing_id);

}  // namespace stowage
