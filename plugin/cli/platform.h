#pragma once

#include <string>

namespace stowage {

// OCI's name of this machine's platform: "linux/amd64".
std::string OciPlatform();

}  // namespace stowage
