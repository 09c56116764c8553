#include "plugin/images/idle_hash.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace stowage {

// Not worth an error: without it this is an ordinary thread.
void LeaveDiskToOthers() {
  constexpr int kThisThread = 0, kWhoProcess = 1, kClassIdle = 3 << 13;  // ioprio_set(2)
  ::syscall(SYS_ioprio_set, kWhoProcess, kThisThread, kClassIdle);
}

}  // namespace stowage
