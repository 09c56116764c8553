#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace stowage {

// Adds to a FUSE_INIT reply what libfuse 3.14 leaves out: FUSE_PARALLEL_DIROPS, which it records as
// offered but never sends back (lib/fuse_lowlevel.c). Without it the kernel serialises lookups per
// directory under a lock that is waited for in D state.
//
// init_request: the kernel's FUSE_INIT, header included. init_out: the body of the reply
// (fuse_init_out), size bytes. Only what the kernel offered is set; anything too short is left as
// it is.
void CompleteInitReply(absl::string_view init_request, void* init_out, size_t size);

// Whether these bytes are a whole FUSE_INIT request.
bool IsInitRequest(absl::string_view request);

}  // namespace stowage
