#include "fuse/init_reply.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

namespace stowage {
namespace {

// The part of fuse_init_in that every kernel since protocol 7.6 sends.
constexpr size_t kInitInBytes = offsetof(fuse_init_in, flags) + sizeof(fuse_init_in::flags);

// FUSE_ALLOW_IDMAP of protocol 7.41 (Linux 6.12), bit 40 of the flags, as seen in flags2; not in
// the headers of older kernels.
constexpr uint32_t kAllowIdMap = uint32_t{1} << (40 - 32);

}  // namespace

bool IsInitRequest(absl::string_view request) {
  fuse_in_header header;
  if (request.size() < sizeof header + kInitInBytes) return false;
  std::memcpy(&header, request.data(), sizeof header);
  return header.opcode == FUSE_INIT && header.len == request.size();
}

void CompleteInitReply(absl::string_view init_request, void* init_out, size_t size) {
  fuse_init_in in{};
  fuse_init_out out;
  if (!IsInitRequest(init_request) || size < sizeof out) return;
  const absl::string_view offered = init_request.substr(sizeof(fuse_in_header));
  std::memcpy(&in, offered.data(), std::min(offered.size(), sizeof in));
  std::memcpy(&out, init_out, sizeof out);
  out.flags |= in.flags & FUSE_PARALLEL_DIROPS;
  // Nothing is ever written, so that requests are small; read(2) wants room for this much.
  out.max_write = kMaxWriteBytes;
  // Without FUSE_INIT_EXT the second word is not there, whatever its bytes are.
  if ((in.flags & FUSE_INIT_EXT) != 0 && (in.flags2 & kAllowIdMap) != 0) {
    out.flags |= FUSE_INIT_EXT;
    out.flags2 |= kAllowIdMap;
  }
  std::memcpy(init_out, &out, sizeof out);
}

}  // namespace stowage
