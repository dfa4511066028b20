#pragma once

// Where a block of threads is in the matrix of weights (weighted-sums.cu, weighted-sums-tensor.cu).

#include <cuda_runtime.h>

#include "core/integers.h"
#include "cuda/device/async-copy.h"
#include "cuda/device/reduce.h"
#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda::attention {

inline constexpr float kMostNegative = -3.402823466e38f;

/// Pixels of a set, from one on.
template <class T>
struct Pixels {
  const T* data;
  std::int64_t step;
  int count;
};

template <class T>
__device__ __forceinline__ Pixels<T> pixelsAt(const Source& map, const PixelSets& sets, std::int64_t set,
                                              std::int64_t first, int count) {
  return {static_cast<const T*>(map.data) + sets.pixel(set, first) * map.stride, sets.step * map.stride,
          count};
}

__device__ __forceinline__ int upTo(int most, std::int64_t left) {
  return static_cast<int>(left < most ? left : most);
}

/// A block's rows, and the columns that it is at: of a set, which has fewer than 2³¹ pixels.
template <int blockRows, int blockColumns, int warpRows>
struct PlaceOf {
  int set, firstRow, firstColumn, firstTerm, rowCount, columnCount, warpRow;

  template <int width>
  __device__ __forceinline__ static PlaceOf first(const WeightedSums& a) {
    const int blocks = divideUp(static_cast<int>(a.rows.length), blockRows);
    const int firstRow = static_cast<int>(blockIdx.x) % blocks * blockRows;
    return {.set = static_cast<int>(blockIdx.x) / blocks,
            .firstRow = firstRow,
            .firstColumn = 0,
            .firstTerm = static_cast<int>(blockIdx.y) * width,
            .rowCount = upTo(blockRows, a.rows.length - firstRow),
            .columnCount = upTo(blockColumns, a.columns.length),
            .warpRow = static_cast<int>(threadIdx.x) / kWarpLanes * warpRows};
  }
  __device__ __forceinline__ void advance(const WeightedSums& a) {
    firstColumn += blockColumns;
    columnCount = upTo(blockColumns, a.columns.length - firstColumn);
  }

  __device__ __forceinline__ bool hasRows() const { return warpRow < rowCount; }
  __device__ __forceinline__ bool hasWeight(const WeightedSums& a, int r, int column) const {
    return column < columnCount && !(a.exceptOwn && firstRow + warpRow + r == firstColumn + column);
  }
  template <class T>
  __device__ __forceinline__ Pixels<T> rows(const WeightedSums& a, const Source& map) const {
    return pixelsAt<T>(map, a.rows, set, firstRow, rowCount);
  }
  template <class T>
  __device__ __forceinline__ Pixels<T> columns(const WeightedSums& a, const Source& map, int from = 0) const {
    return pixelsAt<T>(map, a.columns, set, firstColumn + from, columnCount - from);
  }
};

/// Starts to copy the statistics of pixels; zeros where there are fewer than `most`.
template <int most, int threads>
__device__ __forceinline__ void loadStatistics(const Pixels<float>& from, float* to) {
  for (int i = threadIdx.x; i < most; i += threads) {
    copyAsync4(to + i, from.data + (i < from.count ? i * from.step : 0), i < from.count);
  }
}

/// What the next tile is of: the factors of the scores, those of the products, or the terms of the sums, for
/// each block of columns in turn; so many channels, or columns of terms, at a time.
template <class Place, AttentionPass pass, int channelsAtOnce, int columnsAtOnce>
struct TileCursor {
  enum Phase { scores, products, terms };

  Place at;
  Phase phase = scores;
  int offset = 0;

  __device__ __forceinline__ void advance(const WeightedSums& a) {
    constexpr bool kHasProducts = pass == AttentionPass::dQuery || pass == AttentionPass::dKey;
    offset += phase == terms ? columnsAtOnce : channelsAtOnce;
    if (offset < (phase == scores ? a.depth : phase == products ? a.channels : at.columnCount)) return;
    offset = 0;
    phase = phase == terms ? scores : phase == scores && kHasProducts ? products : terms;
    if (phase == scores) at.advance(a);
  }
};

}  // namespace ocrnet::cuda::attention
