#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace stowage::testing {

// The number under which fuzzed index files are opened.
inline constexpr uint64_t kFuzzIndexNumber = 1;

// A file that holds some bytes while this lives.
class IndexInput {
 public:
  explicit IndexInput(absl::string_view bytes);
  ~IndexInput();
  IndexInput(const IndexInput&) = delete;
  IndexInput& operator=(const IndexInput&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The checksum of a record whose text lies where its fields say.
using CrcOfRecord = uint32_t (*)(uint32_t index, absl::string_view record, absl::string_view text);

// The bytes as an index file whose header and checksums are right: no mutation finds a checksum, so
// only this reaches the checks of what records say. As many records as the bytes name, as far as
// they go. Bytes that are too few are followed by zeros.
std::string WithRightChecksums(absl::string_view bytes, const std::array<char, 8>& magic,
                               CrcOfRecord crc_of_record);

// A piece of the text; empty where it leaves the text.
absl::string_view PieceOf(absl::string_view text, uint64_t offset, uint64_t length);

}  // namespace stowage::testing
