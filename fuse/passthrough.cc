#include "fuse/passthrough.h"

#include <sys/ioctl.h>

#include <cerrno>

namespace stowage {
namespace {

struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, uint32_t);

}  // namespace

int RegisterBackingFile(int fuse_fd, int file_fd, int32_t* backing_id) {
  BackingMap map = {file_fd, 0, 0};
  const int id = ::ioctl(fuse_fd, kBackingOpen, &map);
  if (id < 0) return errno;
  *backing_id = id;
  return 0;
}

int UnregisterBackingFile(int fuse_fd, int32_t backing_id) {
  auto id = static_cast<uint32_t>(backing_id);
  return ::ioctl(fuse_fd, kBackingClose, &id) == 0 ? 0 : errno;
}

}  // namespace stowage
