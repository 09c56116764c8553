#include "fuse/fetch_message.h"

#include "fuse/nodeid.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

TEST_CASE("A fetch message is what it was before its way", "[fuse][fetch_message]") {
  using Kind = FetchMessage::Kind;
  const auto kind = GENERATE(Kind::kFetch, Kind::kForget, Kind::kFetched, Kind::kFailed);
  const auto number = GENERATE(uint64_t{1}, uint64_t{4711}, kMaxObjectNumber);
  const auto parsed = ParseFetchMessage(EncodeFetchMessage({kind, number}));
  REQUIRE_OK(parsed);
  CHECK(*parsed == FetchMessage{kind, number});
}

TEST_CASE("A fetch message has these bytes, which neighbouring versions read",
          "[fuse][fetch_message]") {
  CHECK(EncodeFetchMessage({FetchMessage::Kind::kFetched, 0x0102}) ==
        std::string("stwf\x01\0\x03\0\x02\x01\0\0\0\0\0\0", 16));
}

TEST_CASE("What is no fetch message is refused", "[fuse][fetch_message]") {
  std::string packet = EncodeFetchMessage({FetchMessage::Kind::kFetch, 1});
  SECTION("empty") { packet.clear(); }
  SECTION("short") { packet.pop_back(); }
  SECTION("long") { packet.push_back('\0'); }
  SECTION("of others") { packet[0] = 'x'; }
  SECTION("of another version") { packet[4] = 2; }
  SECTION("of no kind") { packet[6] = 0; }
  SECTION("of a later kind") { packet[6] = 5; }
  SECTION("about no object") { packet[8] = 0; }
  SECTION("about an object that cannot be") { packet[15] = 1; }
  CHECK(absl::IsInvalidArgument(ParseFetchMessage(packet).status()));
}

}  // namespace
}  // namespace stowage
