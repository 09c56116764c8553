#include "fuse/init_reply.h"

#include <linux/fuse.h>

#include <cstring>

namespace stowage {
namespace {

// The part of fuse_init_in that every kernel since protocol 7.6 sends.
constexpr size_t kInitInBytes = offsetof(fuse_init_in, flags) + sizeof(fuse_init_in::flags);

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
  std::memcpy(&in, init_request.data() + sizeof(fuse_in_header), kInitInBytes);
  std::memcpy(&out, init_out, sizeof out);
  out.flags |= in.flags & FUSE_PARALLEL_DIROPS;
  // Nothing is ever written, so that requests are small; read(2) wants room for this much.
  out.max_write = kMaxWriteBytes;
  std::memcpy(init_out, &out, sizeof out);
}

}  // namespace stowage
