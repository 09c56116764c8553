#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace stowage {

// The max_write that is negotiated: the least that the kernel takes. libfuse says 1 MiB.
inline constexpr unsigned kMaxWriteBytes = 4096;

// Completes libfuse's FUSE_INIT reply: max_write, and FUSE_PARALLEL_DIROPS, which 3.14 records as
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
