#include "fuse/init_reply.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

#include "fuse/passthrough.h"

namespace stowage {
namespace {

// The part of fuse_init_in that every kernel since protocol 7.6 sends.
constexpr size_t kInitInBytes = offsetof(fuse_init_in, flags) + sizeof(fuse_init_in::flags);

// FUSE_ALLOW_IDMAP of protocol 7.41 (Linux 6.12), bit 40 of the flags, as seen in flags2; not in
// the headers of older kernels.
constexpr uint32_t kAllowIdMap = uint32_t{1} << (40 - 32);

// FUSE_HAS_RESEND of protocol 7.40, bit 39.
constexpr uint32_t kHasResend = uint32_t{1} << (39 - 32);

// max_stack_depth of protocol 7.40: the word behind flags2.
constexpr size_t kStackDepthPlace = offsetof(fuse_init_out, flags2) + sizeof(fuse_init_out::flags2);

fuse_init_in ReadInit(absl::string_view request) {
  fuse_init_in in{};
  const absl::string_view body = request.substr(sizeof(fuse_in_header));
  std::memcpy(&in, body.data(), std::min(body.size(), sizeof in));
  // Without FUSE_INIT_EXT the second word is not there, whatever its bytes are.
  if ((in.flags & FUSE_INIT_EXT) == 0) in.flags2 = 0;
  return in;
}

}  // namespace

bool IsInitRequest(absl::string_view request) {
  fuse_in_header header;
  if (request.size() < sizeof header + kInitInBytes) return false;
  std::memcpy(&header, request.data(), sizeof header);
  return header.opcode == FUSE_INIT && header.len == request.size();
}

bool OffersPassthrough(absl::string_view init_request) {
  return IsInitRequest(init_request) && (ReadInit(init_request).flags2 & kInitPassthrough) != 0;
}

bool OffersResend(absl::string_view init_request) {
  return IsInitRequest(init_request) && (ReadInit(init_request).flags2 & kHasResend) != 0;
}

void CompleteInitReply(absl::string_view init_request, DataMode data_mode, void* init_out,
                       size_t size) {
  fuse_init_out out;
  if (!IsInitRequest(init_request) || size < sizeof out) return;
  const fuse_init_in in = ReadInit(init_request);
  std::memcpy(&out, init_out, sizeof out);
  out.flags |= in.flags & FUSE_PARALLEL_DIROPS;
  // Nothing is ever written, so that requests are small; read(2) wants room for this much.
  out.max_write = kMaxWriteBytes;
  const uint32_t wanted =
      kAllowIdMap | (data_mode == DataMode::kPassthrough ? kInitPassthrough : 0);
  if (const uint32_t agreed = in.flags2 & wanted; agreed != 0) {
    out.flags |= FUSE_INIT_EXT;
    out.flags2 |= agreed;
  }
  std::memcpy(init_out, &out, sizeof out);
  if ((out.flags2 & kInitPassthrough) != 0)
    std::memcpy(static_cast<char*>(init_out) + kStackDepthPlace, &kPassthroughStackDepth,
                sizeof kPassthroughStackDepth);
}

}  // namespace stowage
