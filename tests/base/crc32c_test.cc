#include "base/crc32c.h"

#include <string>

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("Crc32c gives the values of RFC 3720 appendix B.4", "[base][crc32c]") {
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending.push_back(c);
  const auto [bytes, want] =
      GENERATE_COPY(table<std::string, uint32_t>({{"", 0},
                                                  {"123456789", 0xe3069283},
                                                  {std::string(32, '\0'), 0x8a9136aa},
                                                  {std::string(32, '\xff'), 0x62a8ab43},
                                                  {ascending, 0x46dd794e}}));
  CHECK(Crc32c(bytes) == want);
  CHECK(crc32c_internal::ExtendPortable(0, bytes) == want);
}

TEST_CASE("ExtendCrc32c continues at any cut, with and without the instruction", "[base][crc32c]") {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes.push_back(static_cast<char>(i * 37));
  const uint32_t whole = Crc32c(bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    CHECK(ExtendCrc32c(Crc32c(bytes.substr(0, cut)), bytes.substr(cut)) == whole);
    CHECK(crc32c_internal::ExtendPortable(crc32c_internal::ExtendPortable(0, bytes.substr(0, cut)),
                                          bytes.substr(cut)) == whole);
  }
}

}  // namespace
}  // namespace stowage
