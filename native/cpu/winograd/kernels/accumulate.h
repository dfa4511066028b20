#pragma once

// The sums over tiles of the filter's gradient for one point: U (rows, vectors) (+)= Mᵀ (tiles, rows) · V
// (tiles, vectors).
//
// As in multiply.h a micro-kernel holds rows × vectors accumulators and walks over the sum, here the tiles.
// Rows, which are output channels, lie side by side in M.

#include <utility>

#include "cpu/winograd/kernels/multiply.h"

namespace ocrnet::cpu::winograd::OCRNET_ISA {

template <int rows, int vectors>
void accumulateRows(const float* m, std::int64_t mStride, const float* v, std::int64_t vStride,
                    std::int64_t tiles, float* u, std::int64_t uStride, bool add_) {
  Vec sums[rows][vectors];
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < vectors; ++n) sums[r][n] = zero();
  }
  if (add_) {
    for (int r = 0; r < rows; ++r) {
      for (int n = 0; n < vectors; ++n) __builtin_prefetch(u + r * uStride + n * kLanes, 1);
    }
  }
#pragma GCC unroll 1
  for (std::int64_t t = 0; t < tiles; ++t) {
    Vec row[vectors];
#pragma GCC unroll 4
    for (int n = 0; n < vectors; ++n) row[n] = load(v + n * kLanes);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const Vec x = broadcast(m[r]);
#pragma GCC unroll 4
      for (int n = 0; n < vectors; ++n) sums[r][n] = fma(x, row[n], sums[r][n]);
    }
    v += vStride;
    m += mStride;
  }
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < vectors; ++n) {
      float* const out = u + r * uStride + n * kLanes;
      store(out, add_ ? add(load(out), sums[r][n]) : sums[r][n]);
    }
  }
}

using AccumulateRows = void (*)(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, float*,
                                std::int64_t, bool);

template <int vectors, int... rows>
constexpr AccumulateRows accumulateRowsOf(std::int64_t count, std::integer_sequence<int, rows...>) {
  constexpr AccumulateRows byRows[] = {accumulateRows<rows + 1, vectors>...};
  return byRows[count - 1];
}

template <int vectors>
void accumulate(const float* m, std::int64_t mStride, std::int64_t rows, const float* v, std::int64_t vStride,
                std::int64_t tiles, float* u, std::int64_t uStride, bool addTo) {
  constexpr std::int64_t most = maxRows(vectors);
  const std::int64_t groups = (rows + most - 1) / most;
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::int64_t first = group * rows / groups, end = (group + 1) * rows / groups;
    accumulateRowsOf<vectors>(end - first, std::make_integer_sequence<int, static_cast<int>(most)>{})(
        m + first, mStride, v, vStride, tiles, u + first * uStride, uStride, addTo);
  }
}

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA
