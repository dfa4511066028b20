#pragma once

// The matrix products of one point: M (tiles, panels · panel) (+)= V (tiles, channels) · U (panels, channels,
// panel).
//
// The micro-kernel holds rows × vectors accumulators in registers and walks over the channels: one row of U
// from the L1 cache, one broadcast input for each tile. Tiles are the outer loop and panels the inner one, so
// that the rows of V, which may come from the shared cache, are fetched once; the rows of the next tiles are
// prefetched meanwhile.

#include <utility>

#include "cpu/simd.h"

namespace ocrnet::cpu::winograd::OCRNET_ISA {

using namespace ocrnet::cpu::OCRNET_ISA;

/// Accumulators, a row of U and one broadcast fill the register file.
constexpr int maxRows(int vectors) {
  const int rows = (kRegisters - 1 - vectors) / vectors;
  return rows < 14 ? rows : 14;
}

/// nextV is the row after the last: each step prefetches one line from there on, about as many lines as the
/// next call reads. Nothing is unrolled over the channels: the body is long enough, and processors run a
/// short loop faster than they can decode a long one.
template <int rows, int vectors>
void microKernel(const float* v, std::int64_t vStride, const float* u, std::int64_t channels, float* m,
                 std::int64_t mStride, bool accumulate, const float* nextV) {
  Vec sums[rows][vectors];
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < vectors; ++n) sums[r][n] = zero();
  }
  if (accumulate) {
    for (int r = 0; r < rows; ++r) {
      for (int n = 0; n < vectors; ++n) __builtin_prefetch(m + r * mStride + n * kLanes, 1);
    }
  }
  constexpr int count = (rows + 2) / 3;
  const float* triples[count];  // every third row: these and the stride address all rows
#pragma GCC unroll 14
  for (int i = 0; i < count; ++i) triples[i] = v + 3 * i * vStride;
#pragma GCC unroll 1
  for (std::int64_t c = 0; c < channels; ++c) {
    __builtin_prefetch(nextV + c * 16);

    Vec row[vectors];
#pragma GCC unroll 4
    for (int n = 0; n < vectors; ++n) row[n] = load(u + n * kLanes);
    u += vectors * kLanes;
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const Vec x = broadcast(triples[r / 3][r % 3 * vStride]);
#pragma GCC unroll 4
      for (int n = 0; n < vectors; ++n) sums[r][n] = fma(x, row[n], sums[r][n]);
    }
#pragma GCC unroll 14
    for (int i = 0; i < count; ++i) ++triples[i];
  }
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < vectors; ++n) {
      float* const out = m + r * mStride + n * kLanes;
      store(out, accumulate ? add(load(out), sums[r][n]) : sums[r][n]);
    }
  }
}

using MicroKernel = void (*)(const float*, std::int64_t, const float*, std::int64_t, float*, std::int64_t,
                             bool, const float*);

template <int vectors, int... rows>
constexpr MicroKernel microKernelOf(std::int64_t count, std::integer_sequence<int, rows...>) {
  constexpr MicroKernel byRows[] = {microKernel<rows + 1, vectors>...};
  return byRows[count - 1];
}

template <int vectors>
void multiply(const float* v, std::int64_t vStride, std::int64_t tiles, const float* u,
              std::int64_t uPanelStride, std::int64_t panels, std::int64_t channels, float* m,
              std::int64_t mStride, bool accumulate) {
  constexpr std::int64_t most = maxRows(vectors);
  const std::int64_t groups = (tiles + most - 1) / most;
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::int64_t first = group * tiles / groups, end = (group + 1) * tiles / groups;
    const MicroKernel kernel =
        microKernelOf<vectors>(end - first, std::make_integer_sequence<int, static_cast<int>(most)>{});
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      kernel(v + first * vStride, vStride, u + panel * uPanelStride, channels,
             m + first * mStride + panel * vectors * kLanes, mStride, accumulate, v + end * vStride);
    }
  }
}

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA
