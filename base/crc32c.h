#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace stowage {

// CRC-32C (Castagnoli, reflected, as in RFC 3720 appendix B.4) of `crc`'s bytes followed by
// `bytes`; start with crc = 0. Finds accidental damage, never an attacker. Uses the CPU's
// instruction where there is one. Thread-safe.
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes);

inline uint32_t Crc32c(absl::string_view bytes) { return ExtendCrc32c(0, bytes); }

namespace crc32c_internal {
// The implementation for CPUs without the instruction; public for its test only.
uint32_t ExtendPortable(uint32_t crc, absl::string_view bytes);
}  // namespace crc32c_internal

}  // namespace stowage
