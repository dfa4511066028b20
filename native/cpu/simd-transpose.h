#pragma once

#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// a₀ b₀ a₁ b₁ … of the first halves of two vectors, or of the second halves.
template <bool second, int... kIndices>
inline Vec interleave(Vec a, Vec b, std::integer_sequence<int, kIndices...>) {
  constexpr int first = second ? kLanes / 2 : 0;
  return __builtin_shufflevector(a, b, (first + kIndices / 2 + kIndices % 2 * kLanes)...);
}

/// A square of vectors. Each round rotates the bits of all places, (row, column) as one number, by one; after
/// as many as a column has bits, rows and columns have changed places.
inline void transpose(Vec (&square)[kLanes]) {
  using Lanes = std::make_integer_sequence<int, kLanes>;
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    Vec next[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = interleave<false>(square[i], square[i + kLanes / 2], Lanes{});
      next[2 * i + 1] = interleave<true>(square[i], square[i + kLanes / 2], Lanes{});
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) square[i] = next[i];
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA
