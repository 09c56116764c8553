#pragma once

#include "absl/status/status.h"
#include "base/log.h"
#include "fuse/server_options.h"

namespace stowage {

// The worker: serves the mount behind descriptors.fuse until the kernel ends it, and returns OK
// then. Starts with FUSE_INIT from the saved session and has the requests sent again that an
// earlier worker took with it. Starts a new keeper whenever the one behind keeper_fd (a pidfd) is
// gone. It keeps nothing that a successor would need, so it may be killed at any time.
//
// ready_fd: gets one byte when requests are being served. Errors: what keeps it from serving.
absl::Status RunWorker(const ServerOptions& options, ServerDescriptors descriptors,
                       UniqueFd keeper_fd, UniqueFd ready_fd, const LogFunction& log);

}  // namespace stowage
