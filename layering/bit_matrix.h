#pragma once

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

// The number of bits set, several counted per step. std::popcount would be a call into a table for
// each word: the oldest x86-64 has no instruction for it, and the compiler may not assume one.
inline uint32_t PopulationCount(uint64_t word) {
  word -= (word >> 1) & 0x5555555555555555;
  word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<uint32_t>((word * 0x0101010101010101) >> 56);
}

inline uint32_t CountBits(ConstBitRow row) {
  uint32_t count = 0;
  for (uint64_t word : row) count += PopulationCount(word);
  return count;
}

inline uint32_t CountUnion(ConstBitRow a, ConstBitRow b) {
  uint32_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += PopulationCount(a[i] | b[i]);
  return count;
}

inline uint32_t CountIntersection(ConstBitRow a, ConstBitRow b) {
  uint32_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += PopulationCount(a[i] & b[i]);
  return count;
}

}  // namespace stowage
