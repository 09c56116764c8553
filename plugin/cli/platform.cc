#include "plugin/cli/platform.h"

#include <sys/utsname.h>

namespace stowage {

std::string OciPlatform() {
  utsname names = {};
  (void)::uname(&names);  // fails for a bad pointer only
  const std::string machine = names.machine;
  if (machine == "x86_64") return "linux/amd64";
  if (machine == "aarch64") return "linux/arm64";
  return "linux/" + machine;
}

}  // namespace stowage
