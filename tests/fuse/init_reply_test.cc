#include "fuse/init_reply.h"

#include <linux/fuse.h>

#include <array>
#include <cstring>
#include <string>

#include "tests/support/catch.h"

namespace stowage {
namespace {

constexpr uint32_t kAllowIdMap = 1u << 8;   // FUSE_ALLOW_IDMAP, bit 40
constexpr uint32_t kPassthrough = 1u << 5;  // FUSE_PASSTHROUGH, bit 37

std::string InitRequest(uint32_t offered_flags, uint32_t offered_flags2 = 0) {
  struct {
    fuse_in_header header;
    fuse_init_in body;
  } request{};
  request.header.len = sizeof request;
  request.header.opcode = FUSE_INIT;
  request.body.flags = offered_flags;
  request.body.flags2 = offered_flags2;
  return std::string(reinterpret_cast<const char*>(&request), sizeof request);
}

TEST_CASE("CompleteInitReply accepts parallel directory operations only when offered",
          "[fuse][init_reply]") {
  const auto [offered, before, want] = GENERATE(table<uint32_t, uint32_t, uint32_t>({
      {FUSE_PARALLEL_DIROPS | FUSE_ASYNC_READ, FUSE_ASYNC_READ,
       FUSE_PARALLEL_DIROPS | FUSE_ASYNC_READ},
      {FUSE_ASYNC_READ, FUSE_ASYNC_READ, FUSE_ASYNC_READ},
      {FUSE_PARALLEL_DIROPS, FUSE_PARALLEL_DIROPS, FUSE_PARALLEL_DIROPS},
  }));
  fuse_init_out reply{};
  reply.flags = before;
  reply.max_write = 1 << 20;
  CompleteInitReply(InitRequest(offered), DataMode::kCached, &reply, sizeof reply);
  CHECK(reply.flags == want);
  CHECK(reply.max_write == kMaxWriteBytes);
}

TEST_CASE("CompleteInitReply accepts idmapped mounts only when offered", "[fuse][init_reply]") {
  const auto [offered, offered2, want, want2] =
      GENERATE(table<uint32_t, uint32_t, uint32_t, uint32_t>({
          {FUSE_INIT_EXT, kAllowIdMap | 1, FUSE_INIT_EXT, kAllowIdMap},
          {FUSE_INIT_EXT, 1, 0, 0},
          {0, kAllowIdMap, 0, 0},  // bytes of a field that this kernel does not have
      }));
  fuse_init_out reply{};
  CompleteInitReply(InitRequest(offered, offered2), DataMode::kCached, &reply, sizeof reply);
  CHECK(reply.flags == want);
  CHECK(reply.flags2 == want2);
}

TEST_CASE("CompleteInitReply accepts passthrough only in that data mode and when offered",
          "[fuse][init_reply]") {
  const auto [offered, mode, want2, want_depth] =
      GENERATE(table<uint32_t, DataMode, uint32_t, uint32_t>({
          {FUSE_INIT_EXT, DataMode::kPassthrough, kPassthrough, 1},
          {FUSE_INIT_EXT, DataMode::kCached, 0, 0},
          {0, DataMode::kPassthrough, 0, 0},
      }));
  const std::string request = InitRequest(offered, kPassthrough);
  CHECK(OffersPassthrough(request) == (offered != 0));
  std::array<uint32_t, sizeof(fuse_init_out) / 4> reply{};
  CompleteInitReply(request, mode, reply.data(), sizeof reply);
  CHECK(reply[8] == want2);       // flags2
  CHECK(reply[9] == want_depth);  // max_stack_depth
}

TEST_CASE("CompleteInitReply leaves what it does not know alone", "[fuse][init_reply]") {
  fuse_init_out reply{};
  const std::string request = InitRequest(FUSE_PARALLEL_DIROPS);
  CompleteInitReply(request, DataMode::kCached, &reply,
                    sizeof reply - 1);  // an older, shorter reply
  CHECK(reply.flags == 0);
  CompleteInitReply(request.substr(0, 50), DataMode::kCached, &reply, sizeof reply);
  CHECK(reply.flags == 0);
}

TEST_CASE("IsInitRequest wants a whole FUSE_INIT", "[fuse][init_reply]") {
  std::string request = InitRequest(0);
  CHECK(IsInitRequest(request));
  CHECK_FALSE(IsInitRequest(request.substr(0, request.size() - 1)));
  CHECK_FALSE(IsInitRequest(""));
  request[offsetof(fuse_in_header, opcode)] = FUSE_LOOKUP;
  CHECK_FALSE(IsInitRequest(request));
}

}  // namespace
}  // namespace stowage
