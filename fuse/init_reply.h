#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "fuse/data_mode.h"

namespace stowage {

// The max_write that is negotiated: the least that the kernel takes. libfuse says 1 MiB.
inline constexpr unsigned kMaxWriteBytes = 4096;

// Completes libfuse's FUSE_INIT reply: max_write; FUSE_PARALLEL_DIROPS, which 3.14 records as
// offered but never sends back (lib/fuse_lowlevel.c); FUSE_ALLOW_IDMAP and, for that data mode,
// FUSE_PASSTHROUGH with its stack depth, which are younger. Without
// PARALLEL_DIROPS the kernel serialises lookups per directory under a lock that is waited for in D
// state; without ALLOW_IDMAP no container in a user namespace of its own can have the mount with
// its ids.
//
// init_request: the kernel's FUSE_INIT, header included. init_out: the body of the reply
// (fuse_init_out), size bytes. Only what the kernel offered is set; anything too short is left as
// it is.
void CompleteInitReply(absl::string_view init_request, DataMode data_mode, void* init_out,
                       size_t size);

// Whether the kernel that sent this FUSE_INIT can pass files through.
bool OffersPassthrough(absl::string_view init_request);

// Whether that kernel sends requests again when it is told to (FUSE_NOTIFY_RESEND, Linux 6.9).
bool OffersResend(absl::string_view init_request);

// Whether these bytes are a whole FUSE_INIT request.
bool IsInitRequest(absl::string_view request);

}  // namespace stowage
