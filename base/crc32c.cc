#include "base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace stowage {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

// tables[k][b]: what byte b contributes when k more bytes follow it ("slicing by 8").
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? kPolynomial : 0);
    tables[0][byte] = value;
  }
  for (size_t k = 1; k < tables.size(); ++k)
    for (size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  return tables;
}

constexpr Tables kTables = MakeTables();

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] uint32_t ExtendSse42(uint32_t crc, absl::string_view bytes) {
  const char* position = bytes.data();
  size_t left = bytes.size();
  uint64_t state = ~crc;
  for (; left >= 8; left -= 8, position += 8) {
    uint64_t word;
    std::memcpy(&word, position, sizeof word);
    state = _mm_crc32_u64(state, word);
  }
  auto state32 = static_cast<uint32_t>(state);
  for (; left > 0; --left, ++position)
    state32 = _mm_crc32_u8(state32, static_cast<uint8_t>(*position));
  return ~state32;
}
#endif

}  // namespace

uint32_t crc32c_internal::ExtendPortable(uint32_t crc, absl::string_view bytes) {
  const auto* position = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  uint32_t state = ~crc;
  for (; left >= 8; left -= 8, position += 8) {
    state ^= static_cast<uint32_t>(position[0]) | static_cast<uint32_t>(position[1]) << 8 |
             static_cast<uint32_t>(position[2]) << 16 | static_cast<uint32_t>(position[3]) << 24;
    state = kTables[7][state & 0xff] ^ kTables[6][(state >> 8) & 0xff] ^
            kTables[5][(state >> 16) & 0xff] ^ kTables[4][state >> 24] ^ kTables[3][position[4]] ^
            kTables[2][position[5]] ^ kTables[1][position[6]] ^ kTables[0][position[7]];
  }
  for (; left > 0; --left, ++position)
    state = (state >> 8) ^ kTables[0][(state ^ *position) & 0xff];
  return ~state;
}

uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes) {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return ExtendSse42(crc, bytes);
#endif
  return crc32c_internal::ExtendPortable(crc, bytes);
}

}  // namespace stowage
