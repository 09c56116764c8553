#include "base/own_user_namespace.h"

#include <sys/stat.h>

namespace stowage {

bool InUserNamespace() {
  // Linux 3.8 on: PROC_USER_INIT_INO of include/linux/proc_ns.h, since 6.18 USER_NS_INIT_INO of
  // linux/nsfs.h. The map of users does not tell: another namespace may map all to themselves.
  constexpr ino_t kInitialNamespace = 0xEFFFFFFD;
  struct stat status;
  // No such file: the kernel has no user namespaces.
  return ::stat("/proc/self/ns/user", &status) == 0 && status.st_ino != kInitialNamespace;
}

}  // namespace stowage
