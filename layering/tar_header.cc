#include "layering/tar_header.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

// POSIX.1-2017, pax, "ustar Interchange Format".
struct UstarBlock {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char typeflag;
  char linkname[100];
  char magic[6];
  char version[2];
  char uname[32];
  char gname[32];
  char devmajor[8];
  char devminor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(UstarBlock) == kTarBlockBytes);

constexpr uint64_t kMaxUstarFileBytes = (uint64_t{1} << 33) - 1;  // eleven octal digits
constexpr absl::string_view kPaxHeaderName = "@PaxHeader";
constexpr uint32_t kPaxHeaderMode = 0444;

struct SplitPath {
  absl::string_view prefix;
  absl::string_view name;
  bool fits = true;
};

// A path of more than 100 bytes is split at the first '/' that leaves 1..100 bytes after it.
SplitPath Split(absl::string_view path) {
  constexpr size_t kNameBytes = sizeof(UstarBlock::name);
  if (path.size() <= kNameBytes) return {{}, path};
  const size_t slash = path.find('/', path.size() - kNameBytes - 1);
  if (slash == absl::string_view::npos || slash == 0 || slash + 1 == path.size() ||
      slash > sizeof(UstarBlock::prefix))
    return {{}, path.substr(0, kNameBytes), false};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// "LENGTH KEY=VALUE\n", where LENGTH counts the whole record, its own digits included.
size_t PaxRecordBytes(absl::string_view key, size_t value_bytes) {
  const size_t rest = 1 + key.size() + 1 + value_bytes + 1;
  size_t total = rest + 1;
  while (rest + absl::AlphaNum(total).size() != total) ++total;
  return total;
}

void AppendPaxRecord(absl::string_view key, absl::string_view value, std::string* out) {
  absl::StrAppend(out, PaxRecordBytes(key, value.size()), " ", key, "=", value, "\n");
}

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

bool LinkFits(const TarEntry& entry) {
  return entry.link_target.size() <= sizeof(UstarBlock::linkname);
}

// The extended records of an entry, sorted by key; empty where ustar holds everything.
std::string PaxRecords(const TarEntry& entry) {
  const bool path_fits = Split(entry.path).fits;
  const bool link_fits = LinkFits(entry);
  std::string records;
  // Without it a reader may take the bytes for UTF-8 and convert or refuse them.
  if ((!path_fits && !IsAscii(entry.path)) || (!link_fits && !IsAscii(entry.link_target)))
    AppendPaxRecord("hdrcharset", "BINARY", &records);
  if (!link_fits) AppendPaxRecord("linkpath", entry.link_target, &records);
  if (!path_fits) AppendPaxRecord("path", entry.path, &records);
  if (entry.size_bytes > kMaxUstarFileBytes)
    AppendPaxRecord("size", absl::AlphaNum(entry.size_bytes).Piece(), &records);
  return records;
}

// Octal digits with leading zeros up to the field's last byte, which stays NUL.
template <size_t kBytes>
void PutOctal(uint64_t value, char (&field)[kBytes]) {
  for (size_t i = kBytes - 1; i-- > 0; value >>= 3)
    field[i] = static_cast<char>('0' + static_cast<char>(value & 7));
}

template <size_t kBytes>
void PutText(absl::string_view text, char (&field)[kBytes]) {
  text.copy(field, kBytes);
}

// Six digits, NUL, space: the sum of all bytes of the block with eight spaces in this field.
void PutChecksum(UstarBlock& block) {
  std::memset(block.checksum, ' ', sizeof block.checksum);
  std::array<unsigned char, sizeof block> bytes;
  std::memcpy(bytes.data(), &block, sizeof block);
  uint64_t sum = 0;
  for (const unsigned char byte : bytes) sum += byte;
  char digits[7] = {};
  PutOctal(sum, digits);
  std::memcpy(block.checksum, digits, sizeof digits);
}

void AppendBlock(const TarEntry& entry, char typeflag, std::string* out) {
  UstarBlock block = {};
  const SplitPath path = Split(entry.path);
  PutText(path.name, block.name);
  PutText(path.prefix, block.prefix);
  PutOctal(entry.mode, block.mode);
  PutOctal(0, block.uid);
  PutOctal(0, block.gid);
  PutOctal(entry.size_bytes > kMaxUstarFileBytes ? 0 : entry.size_bytes, block.size);
  PutOctal(1, block.mtime);
  block.typeflag = typeflag;
  PutText(entry.link_target, block.linkname);
  PutText("ustar", block.magic);
  PutText("00", block.version);
  PutOctal(0, block.devmajor);
  PutOctal(0, block.devminor);
  PutChecksum(block);
  out->append(reinterpret_cast<const char*>(&block), sizeof block);
}

char TypeFlag(TarEntry::Type type) {
  switch (type) {
    case TarEntry::Type::kDirectory:
      return '5';
    case TarEntry::Type::kSymlink:
      return '2';
    case TarEntry::Type::kFile:
      break;
  }
  return '0';
}

}  // namespace

void AppendTarHeader(const TarEntry& entry, std::string* out) {
  const std::string records = PaxRecords(entry);
  if (!records.empty()) {
    TarEntry extended;
    extended.mode = kPaxHeaderMode;
    extended.path = kPaxHeaderName;
    extended.size_bytes = records.size();
    AppendBlock(extended, 'x', out);
    out->append(records);
    out->append(TarPaddingBytes(records.size()), '\0');
  }
  AppendBlock(entry, TypeFlag(entry.type), out);
}

uint64_t TarHeaderBytes(const TarEntry& entry) {
  const uint64_t records = PaxRecords(entry).size();
  if (records == 0) return kTarBlockBytes;
  return kTarBlockBytes + records + TarPaddingBytes(records) + kTarBlockBytes;
}

}  // namespace stowage
