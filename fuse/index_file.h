#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "fuse/index_format.h"

namespace stowage {

// An object index or view file in memory: its header checked, its records and text within bounds.
// Immutable and thread-safe. Unmapped by the destructor.
//
// A file that is truncated in place while it is mapped, or a disk that fails below it, ends the
// process with SIGBUS; both are outside the contract (docs/fuse.md), and a worker is restarted.
class IndexFile {
 public:
  // directory_fd, path: as in openat(2). magic, record_size, number, max_records: what it must be.
  // Errors: NotFound and others of open(2); FailedPrecondition for another format version; DataLoss
  // for anything else that is not as written, among it a size that the header does not explain.
  static absl::StatusOr<IndexFile> Open(int directory_fd, const std::string& path,
                                        const std::array<char, 8>& magic, size_t record_size,
                                        uint64_t number, uint64_t max_records);

  IndexFile(IndexFile&& other) noexcept;
  IndexFile& operator=(IndexFile&&) = delete;
  ~IndexFile();

  const IndexHeader& header() const { return *reinterpret_cast<const IndexHeader*>(bytes_); }
  size_t size_bytes() const { return size_bytes_; }

  // Bytes of one record; index < header().record_count.
  absl::string_view Record(uint64_t index) const;

  // A piece of the text; false if it leaves the text.
  bool Text(uint64_t offset, uint64_t length, absl::string_view* piece) const;

  // Reads the whole file once and compares content_crc. Errors: DataLoss.
  absl::Status VerifyContent() const;

 private:
  IndexFile(const char* bytes, size_t size_bytes) : bytes_(bytes), size_bytes_(size_bytes) {}

  const char* bytes_;  // mapping, owned; null once moved from
  size_t size_bytes_;
};

// Whether a directory can hold this name: not empty, no "." or "..", without slash and zero byte.
bool IsPlainName(absl::string_view name);

// The crc of a record: of its number, its fields (all bytes but the last four) and its text pieces.
uint32_t RecordCrc(uint32_t index, absl::string_view record, absl::string_view name,
                   absl::string_view target);

// Completes the header's sizes and checksums and writes the file beside output_path, then renames.
// Not synced. Errors: the errno's.
absl::Status WriteIndexFile(IndexHeader header, absl::string_view records, absl::string_view text,
                            const std::string& output_path);

}  // namespace stowage
