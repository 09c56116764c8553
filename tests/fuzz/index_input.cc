#include "tests/fuzz/index_input.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/crc32c.h"
#include "base/file.h"
#include "fuse/index_format.h"

namespace stowage::testing {
namespace {

constexpr size_t kRecordSize = sizeof(ObjectIndexRecord);
static_assert(sizeof(ViewRecord) == kRecordSize && offsetof(ViewRecord, crc) == 20 &&
              offsetof(ObjectIndexRecord, crc) == 20);

}  // namespace

IndexInput::IndexInput(absl::string_view bytes) {
  const char* parent = std::getenv("TMPDIR");
  path_ = std::string(parent == nullptr ? "/tmp" : parent) + "/stowage-fuzz-XXXXXX";
  const UniqueFd fd(::mkostemp(path_.data(), O_CLOEXEC));
  // Without a file there is nothing to test.
  if (!fd || !WriteAll(fd.get(), bytes, path_).ok()) std::abort();
}

IndexInput::~IndexInput() { (void)::unlink(path_.c_str()); }

absl::string_view PieceOf(absl::string_view text, uint64_t offset, uint64_t length) {
  if (offset > text.size() || length > text.size() - offset) return {};
  return text.substr(offset, length);
}

std::string WithRightChecksums(absl::string_view bytes, const std::array<char, 8>& magic,
                               CrcOfRecord crc_of_record) {
  std::string file(bytes);
  file.resize(std::max(file.size(), sizeof(IndexHeader)));
  IndexHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  const size_t content_size = file.size() - sizeof header;
  header.magic = magic;
  header.version = kIndexVersion;
  header.record_size = kRecordSize;
  header.number = kFuzzIndexNumber;
  header.record_count = std::min<uint64_t>(header.record_count, content_size / kRecordSize);
  header.text_size = content_size - header.record_count * kRecordSize;

  char* const records = file.data() + sizeof header;
  const absl::string_view text(records + header.record_count * kRecordSize, header.text_size);
  for (uint32_t i = 0; i < header.record_count; ++i) {
    char* const record = records + i * kRecordSize;
    const uint32_t crc = crc_of_record(i, absl::string_view(record, kRecordSize), text);
    std::memcpy(record + offsetof(ObjectIndexRecord, crc), &crc, sizeof crc);
  }
  header.content_crc = Crc32c(absl::string_view(records, content_size));
  const char* const header_bytes = reinterpret_cast<const char*>(&header);
  header.header_crc = Crc32c(absl::string_view(header_bytes, offsetof(IndexHeader, header_crc)));
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

}  // namespace stowage::testing
