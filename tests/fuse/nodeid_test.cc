#include "fuse/nodeid.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("nodeids of regular files pack object and entry", "[fuse][nodeid]") {
  const auto [object, entry, want] = GENERATE(table<uint64_t, uint32_t, uint64_t>({
      {1, 0, 0x8000000004000000},
      {1, 1, 0x8000000004000001},
      {2, 0, 0x8000000008000000},
      {1, kMaxEntries - 1, 0x8000000007ffffff},
      {kMaxObjectNumber, 0, 0xfffffffffc000000},
      {kMaxObjectNumber, kMaxEntries - 1, 0xffffffffffffffff},
  }));
  CHECK(RegularFileNodeId(object, entry) == want);
  CHECK(ParseNodeId(want) == NodeAddress{true, object, 0, 0, entry});
}

TEST_CASE("nodeids of directories and symlinks pack view, slot and entry", "[fuse][nodeid]") {
  const auto [view, slot, entry, want] = GENERATE(table<uint32_t, uint32_t, uint32_t, uint64_t>({
      {0, 0, 1, kMountRootNodeId},
      {1, 0, kViewRoot, 0x0000080000000000},
      {1, 0, kViewNixStore, 0x0000080000000002},
      {1, 1, 0, 0x0000080004000000},
      {1, kMaxSlot, 0, 0x00000ffffc000000},
      {2, 0, 0, 0x0000100000000000},
      {kMaxViewNumber, kMaxSlot, kMaxEntries - 1, 0x7fffffffffffffff},
  }));
  CHECK(TreeNodeId(view, slot, entry) == want);
  CHECK(ParseNodeId(want) == NodeAddress{false, 0, view, slot, entry});
}

}  // namespace
}  // namespace stowage
