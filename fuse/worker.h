#pragma once

#include "absl/status/status.h"
#include "base/log.h"
#include "fuse/server_options.h"

namespace stowage {

// The worker: serves the mount behind descriptors.fuse until the kernel ends it, and returns OK
// then. Starts with FUSE_INIT from the saved session, then serves the requests that an earlier
// worker left there. Starts a new keeper when there is none (fuse/keeper_watch.h). Everything that
// a successor needs is in the saved session, so it may be killed at any time.
//
// ready_fd: gets one byte when requests are about to be served. Errors: what keeps it from serving.
absl::Status RunWorker(const ServerOptions& options, ServerDescriptors descriptors,
                       UniqueFd ready_fd, const LogFunction& log);

}  // namespace stowage
