#pragma once

#include "fuse/data_mode.h"

namespace stowage {

// What a connection was told when it was made and keeps for its life, whoever serves it.
struct ConnectionSettings {
  DataMode data_mode = DataMode::kCached;
  // Whether GETXATTR is answered ENODATA, each time, or ENOSYS: then the kernel asks nobody again
  // and gives EOPNOTSUPP itself.
  bool extended_attributes = true;
};

}  // namespace stowage
