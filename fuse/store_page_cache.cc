#include "fuse/store_page_cache.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace stowage {
namespace {

// Of linux/mman.h since 6.5; older headers have neither the structures nor the number, which is
// the same on every architecture.
struct CacheStatRange {
  uint64_t offset;
  uint64_t length;
};
struct CacheStat {
  uint64_t cached;
  uint64_t dirty;
  uint64_t in_writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};
constexpr long kCacheStatCall = 451;

constexpr off_t kMaxFolioBytes = 2 << 20;

}  // namespace

bool AnyInPageCache(int fd, uint64_t size, uint64_t offset) {
  CacheStatRange range = {offset, size};
  CacheStat found{};
  return ::syscall(kCacheStatCall, fd, &range, &found, 0) != 0 || found.cached != 0;
}

void DropFromPageCache(int fd, off_t offset, size_t size) {
  // Read-ahead makes folios of many pages, which go as a whole or not at all: so this begins where
  // one that reaches into this part may begin.
  const off_t begin = std::max<off_t>(0, offset - kMaxFolioBytes);
  const off_t length = offset - begin + static_cast<off_t>(size);
  // Advice that is not taken costs memory and nothing else.
  (void)::posix_fadvise(fd, begin, length, POSIX_FADV_DONTNEED);
}

}  // namespace stowage
