#include "fuse/index_file.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

constexpr uint64_t kMaxTextSize = uint64_t{1} << 32;  // offsets into it have 32 bits

absl::string_view BytesOf(const IndexHeader& header) {
  return absl::string_view(reinterpret_cast<const char*>(&header), sizeof header);
}

uint32_t HeaderCrc(const IndexHeader& header) {
  return Crc32c(BytesOf(header).substr(0, offsetof(IndexHeader, header_crc)));
}

// Why the header is not one of these files; OK if it is.
absl::Status CheckHeader(const IndexHeader& header, const std::array<char, 8>& magic,
                         size_t record_size, uint64_t number, uint64_t max_records) {
  if (header.magic != magic) return absl::DataLossError("not a file of this kind");
  if (header.header_crc != HeaderCrc(header)) return absl::DataLossError("damaged header");
  if (header.version != kIndexVersion)
    return absl::FailedPreconditionError(absl::StrCat(
        "format version ", header.version, ", this program reads version ", kIndexVersion));
  if (header.record_size != record_size || header.record_count > max_records ||
      header.text_size > kMaxTextSize)
    return absl::DataLossError("impossible sizes in the header");
  if (header.number != number)
    return absl::DataLossError(absl::StrCat("it is number ", header.number));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<IndexFile> IndexFile::Open(int directory_fd, const std::string& path,
                                          const std::array<char, 8>& magic, size_t record_size,
                                          uint64_t number, uint64_t max_records) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd,
                           OpenAt(directory_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", path));
  const auto size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < sizeof(IndexHeader))
    return absl::DataLossError(absl::StrCat("index ", path, ": no regular file with a header"));
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (bytes == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("map ", path));
  IndexFile file(static_cast<const char*>(bytes), size);
  const IndexHeader& header = file.header();
  if (const absl::Status bad = CheckHeader(header, magic, record_size, number, max_records);
      !bad.ok())
    return absl::Status(bad.code(), absl::StrCat("index ", path, ": ", bad.message()));
  const uint64_t want = sizeof(IndexHeader) + header.record_count * record_size + header.text_size;
  if (size != want)
    return absl::DataLossError(
        absl::StrCat("index ", path, ": has ", size, " bytes, its header says ", want));
  return file;
}

IndexFile::IndexFile(IndexFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, nullptr)), size_bytes_(other.size_bytes_) {}

IndexFile::~IndexFile() {
  if (bytes_ != nullptr) (void)::munmap(const_cast<char*>(bytes_), size_bytes_);
}

absl::string_view IndexFile::Record(uint64_t index) const {
  const size_t record_size = header().record_size;
  return absl::string_view(bytes_ + sizeof(IndexHeader) + index * record_size, record_size);
}

bool IndexFile::Text(uint64_t offset, uint64_t length, absl::string_view* piece) const {
  const uint64_t text_size = header().text_size;
  if (offset > text_size || length > text_size - offset) return false;
  *piece = absl::string_view(bytes_ + size_bytes_ - text_size + offset, length);
  return true;
}

absl::Status IndexFile::VerifyContent() const {
  const absl::string_view content(bytes_ + sizeof(IndexHeader), size_bytes_ - sizeof(IndexHeader));
  if (Crc32c(content) == header().content_crc) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("index number ", header().number, ": damaged content"));
}

uint32_t RecordCrc(uint32_t index, absl::string_view record, absl::string_view name,
                   absl::string_view target) {
  char number[sizeof index];
  std::memcpy(number, &index, sizeof index);
  uint32_t crc = Crc32c(absl::string_view(number, sizeof number));
  crc = ExtendCrc32c(crc, record.substr(0, record.size() - sizeof(uint32_t)));
  return ExtendCrc32c(ExtendCrc32c(crc, name), target);
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         std::memchr(name.data(), '/', name.size()) == nullptr &&
         std::memchr(name.data(), '\0', name.size()) == nullptr;
}

absl::Status WriteIndexFile(IndexHeader header, absl::string_view records, absl::string_view text,
                            const std::string& output_path) {
  if (text.size() > kMaxTextSize)
    return absl::ResourceExhaustedError(
        absl::StrCat("write ", output_path, ": ", text.size(), " bytes of names and link targets"));
  header.version = kIndexVersion;
  header.record_count = records.size() / header.record_size;
  header.text_size = text.size();
  header.content_crc = ExtendCrc32c(Crc32c(records), text);
  header.header_crc = HeaderCrc(header);

  std::string temporary = absl::StrCat(output_path, kUnfinishedFileSuffix);
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, absl::StrCat("create ", temporary));
  absl::Status status = WriteAll(fd.get(), BytesOf(header), temporary);
  if (status.ok()) status = WriteAll(fd.get(), records, temporary);
  if (status.ok()) status = WriteAll(fd.get(), text, temporary);
  if (status.ok() && ::fchmod(fd.get(), 0644) != 0)
    status = absl::ErrnoToStatus(errno, absl::StrCat("set the mode of ", temporary));
  STOWAGE_FAULT_POINT("index.write.written");
  if (status.ok() && ::rename(temporary.c_str(), output_path.c_str()) != 0)
    status = absl::ErrnoToStatus(errno, absl::StrCat("rename ", temporary, " to ", output_path));
  STOWAGE_FAULT_POINT("index.write.renamed");
  if (!status.ok()) (void)::unlink(temporary.c_str());  // the first error is the one to report
  return status;
}

}  // namespace stowage
