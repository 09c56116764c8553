#pragma once

#include "absl/status/status.h"

namespace stowage {

// Tries whether files of this store can be passed through: with a FUSE connection of its own, which
// nobody sees. A store without any regular file passes.
//
// store_directory_fd: O_PATH is enough. Errors: FailedPrecondition with the reason: kernel, rights,
// or the store's file system; the errno's.
absl::Status ProbePassthrough(int store_directory_fd);

}  // namespace stowage
