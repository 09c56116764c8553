#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace stowage {

// FUSE keeps what it reads in a page cache of its own, so that pages of the store's files would be
// in memory twice. This says whether they are there for somebody else, who shall keep them, and
// drops them if they are not. Thread-safe.

// Whether any of a file's first `size` bytes are in the page cache. Also true if the kernel cannot
// say: cachestat(2) came with Linux 6.5.
bool AnyInPageCache(int fd, uint64_t size, uint64_t offset = 0);

// Drops the clean, unmapped pages of this part, and what was read ahead together with its first.
void DropFromPageCache(int fd, off_t offset, size_t size);

}  // namespace stowage
