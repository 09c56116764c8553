#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace stowage {

// A row of bits: a set of numbers below 64 times its length.
using BitRow = absl::Span<uint64_t>;
using ConstBitRow = absl::Span<const uint64_t>;

// Rows of bits of equal length, all zero at first.
class BitMatrix {
 public:
  BitMatrix(size_t rows, size_t columns) : words_((columns + 63) / 64), bits_(rows * words_) {}

  BitRow Row(size_t row) { return {bits_.data() + row * words_, words_}; }
  ConstBitRow Row(size_t row) const { return {bits_.data() + row * words_, words_}; }

 private:
  size_t words_;
  std::vector<uint64_t> bits_;
};

inline void SetBit(BitRow row, size_t column) { row[column / 64] |= uint64_t{1} << (column % 64); }

inline void UniteInto(BitRow row, ConstBitRow other) {
  for (size_t i = 0; i < row.size(); ++i) row[i] |= other[i];
}

inline void IntersectInto(BitRow row, ConstBitRow other) {
  for (size_t i = 0; i < row.size(); ++i) row[i] &= other[i];
}

inline uint32_t CountBits(ConstBitRow row) {
  uint32_t count = 0;
  for (uint64_t word : row) count += static_cast<uint32_t>(std::popcount(word));
  return count;
}

inline uint32_t CountUnion(ConstBitRow a, ConstBitRow b) {
  uint32_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += static_cast<uint32_t>(std::popcount(a[i] | b[i]));
  return count;
}

inline uint32_t CountIntersection(ConstBitRow a, ConstBitRow b) {
  uint32_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += static_cast<uint32_t>(std::popcount(a[i] & b[i]));
  return count;
}

}  // namespace stowage
