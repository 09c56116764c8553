#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace stowage {

inline constexpr uint64_t kTarBlockBytes = 512;
// The archive ends with two zero blocks and nothing after them.
inline constexpr uint64_t kTarTrailerBytes = 2 * kTarBlockBytes;

// One entry of a canonical tar (docs/layer-format.md), everything but the bytes of a file. Views
// are borrowed.
struct TarEntry {
  enum class Type : uint8_t { kDirectory, kFile, kSymlink };

  Type type = Type::kFile;
  uint32_t mode = 0;              // permission bits, 07777
  absl::string_view path;         // relative, any bytes but NUL; a directory's ends in '/'
  uint64_t size_bytes = 0;        // of a file, else 0
  absl::string_view link_target;  // of a symlink, else empty
};

// Appends the entry's header: one block, before it a pax extended header of two or more blocks
// where ustar cannot hold the path, the link target or the size. The same entry gives the same
// bytes everywhere and always.
void AppendTarHeader(const TarEntry& entry, std::string* out);

// The number of bytes that AppendTarHeader appends, without making them.
uint64_t TarHeaderBytes(const TarEntry& entry);

// The number of zero bytes after a file of this size, 0..511.
inline uint64_t TarPaddingBytes(uint64_t size_bytes) {
  return (kTarBlockBytes - size_bytes % kTarBlockBytes) % kTarBlockBytes;
}

}  // namespace stowage
