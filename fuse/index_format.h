#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace stowage {

// The bytes of object index and view files (docs/fuse.md): header, records, text. Little-endian,
// naturally aligned, mapped and used in place. Every bit is covered: the header by header_crc, a
// record together with its name and symlink target by the record's own crc (checked whenever the
// record is read, so that opening a large file costs nothing), all of it once more by content_crc
// (for a full check). Files are immutable: written beside their place and renamed.
static_assert(std::endian::native == std::endian::little);

inline constexpr uint32_t kIndexVersion = 1;
inline constexpr std::array<char, 8> kObjectMagic = {'s', 't', 'o', 'w', 'o', 'b', 'j', '\n'};
inline constexpr std::array<char, 8> kViewMagic = {'s', 't', 'o', 'w', 'v', 'i', 'e', 'w'};

struct IndexHeader {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t record_size;
  uint64_t number;  // of the object or view
  uint64_t record_count;
  uint64_t text_size;
  uint64_t file_bytes;   // object: sum of its regular files' sizes; view: 0
  uint64_t reserved;     // 0
  uint32_t content_crc;  // records and text
  uint32_t header_crc;   // all bytes before this one
};
static_assert(sizeof(IndexHeader) == 64);

enum class EntryKind : uint8_t { kDirectory = 0, kRegular = 1, kExecutable = 2, kSymlink = 3 };

// Of an object. Record 0 is the store path itself, its name the base name. The children of a
// directory are consecutive records after it, sorted by the bytes of their names.
struct ObjectIndexRecord {
  // Directory: first child | number of children << 32 (no children: 0). Regular file: size in
  // bytes. Symlink: place of the target in the text.
  uint64_t value;
  uint32_t name_offset;    // in the text
  uint32_t parent;         // record 0: 0
  uint16_t target_length;  // of a symlink, else 0
  uint8_t name_length;
  uint8_t kind;  // EntryKind
  uint32_t crc;  // record number (4 bytes), the fields before, name, symlink target
};
static_assert(sizeof(ObjectIndexRecord) == 24);

// Record i is slot i + 1; sorted by the bytes of the names.
struct ViewRecord {
  uint64_t object_number;
  uint32_t name_offset;
  uint8_t name_length;
  std::array<uint8_t, 7> reserved;  // 0
  uint32_t crc;                     // as above
};
static_assert(sizeof(ViewRecord) == 24);

}  // namespace stowage
