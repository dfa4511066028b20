#pragma once

// As weighted-sums.cu, for types of 16 bits by tensor cores (FlashAttention-2: Dao, 2023).
//
// A block of threads has 128 rows of the matrix of weights, and passes over its columns, 64 at a time. A warp
// has 16 of the rows with all columns, so that weights never leave its registers: as the sums of the first
// product lie in the lanes, the second takes them, rounded to their type, for its left operand. Maxima,
// totals and sums are float32. The rows' factors stay in shared memory where they have up to 256 channels.
//
// Bound by tensor cores: the products of weighted-sums.cu.

#include "core/integers.h"
#include "cuda/device/element.h"
#include "cuda/device/mma.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"
#include "cuda/ops/weighted-sums-tensor-tiles.h"
#include "cuda/ops/weighted-sums.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace attention {

inline constexpr int kStep = 16;                         // of the depth of a product
inline constexpr int kColumnTiles = kTensorColumns / 8;  // of 8 columns
inline constexpr int kQuadLanes = 4, kHalves = 2;        // lanes that share rows g and g + 8

/// A lane's elements of 16 rows × 64 columns: [tile of 8 columns][2 · half of the rows + parity of the
/// column].
using Fragment = float[kColumnTiles][4];

__device__ __forceinline__ int laneOfWarp() { return threadIdx.x % kWarpLanes; }
__device__ __forceinline__ int rowOf(int i) { return laneOfWarp() / kQuadLanes + i / 2 * 8; }
__device__ __forceinline__ int columnOf(int tile, int i) {
  return tile * 8 + laneOfWarp() % kQuadLanes * 2 + i % 2;
}

/// Over the four lanes that share rows.
template <class Combine>
__device__ __forceinline__ float quadReduce(float value, const Combine& combine) {
  value = combine(value, __shfl_xor_sync(kAllLanes, value, 1));
  return combine(value, __shfl_xor_sync(kAllLanes, value, 2));
}

/// products += 16 rows · the tile's columns, transposed, over `inner` channels.
template <class T>
__device__ __forceinline__ void addProducts(const T* rows, int rowStride,
                                            const T (*columns)[kTensorInner + kPadding], int inner,
                                            int columnCount, Fragment& products) {
  const int lane = laneOfWarp(), matrix = lane / 8, row = lane % 8;
#pragma unroll
  for (int k = 0; k < kTensorInner; k += kStep) {
    if (k >= inner) break;
    std::uint32_t a[4];
    loadMatrices(a, rows + (row + matrix % 2 * 8) * rowStride + k + matrix / 2 * 8);
#pragma unroll
    for (int j = 0; j < kColumnTiles; j += 2) {
      if (j * 8 >= columnCount) break;
      std::uint32_t b[4];
      loadMatrices(b, &columns[j * 8 + row + matrix / 2 * 8][k + matrix % 2 * 8]);
      multiplyAdd<T>(products[j], a, {b[0], b[1]});
      multiplyAdd<T>(products[j + 1], a, {b[2], b[3]});
    }
  }
}

/// sums += weights · terms.
template <int width, class T>
__device__ __forceinline__ void addTerms(const Fragment& weights, const T (*terms)[width + kPadding],
                                         int columnCount, int termCount, float (&sums)[width / 8][4]) {
  const int lane = laneOfWarp(), matrix = lane / 8, row = lane % 8;
#pragma unroll
  for (int k = 0; k < kTensorColumns; k += kStep) {
    if (k >= columnCount) break;
    const float(&low)[4] = weights[k / 8], (&high)[4] = weights[k / 8 + 1];
    const std::uint32_t a[4] = {packPair<T>(low[0], low[1]), packPair<T>(low[2], low[3]),
                                packPair<T>(high[0], high[1]), packPair<T>(high[2], high[3])};
#pragma unroll
    for (int j = 0; j < width / 8; j += 2) {
      if (j * 8 >= termCount) break;
      std::uint32_t b[4];
      loadTransposedMatrices(b, &terms[k + row + matrix % 2 * 8][j * 8 + matrix / 2 * 8]);
      multiplyAdd<T>(sums[j], a, {b[0], b[1]});
      multiplyAdd<T>(sums[j + 1], a, {b[2], b[3]});
    }
  }
}

/// products = rows · columnsᵀ over so many channels of the next tiles; `resident` rows, or null for the
/// tiles'.
template <class T, class Tiles>
__device__ __forceinline__ void multiply(Tiles& tiles, const TensorPlace& at, const T* resident,
                                         std::int64_t channels, Fragment& products) {
#pragma unroll
  for (int j = 0; j < kColumnTiles; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) products[j][i] = 0;
  }
#pragma unroll 1
  for (int offset = 0; offset < channels; offset += kTensorInner) {
    const auto& tile = tiles.next();
    if (!at.hasRows()) continue;
    const T* const rows = resident ? resident + offset : &tile.rows[at.warpRow][0];
    const int stride = resident ? kResidentDepth + kPadding : kTensorInner + kPadding;
    addProducts(rows, stride, tile.columns, upTo(kTensorInner, channels - offset), at.columnCount, products);
  }
}

/// The softmax so far of the lane's two rows: maximum, total of the lane's own columns.
struct Softmax {
  float maximum[kHalves], total[kHalves];

  /// With what was summed before, or nothing. Not from −∞ on: then even a block of −∞ has a difference.
  __device__ __forceinline__ Softmax(const WeightedSums& a, const TensorPlace& at) {
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      maximum[half] = kMostNegative;
      total[half] = 0;
      const int row = at.warpRow + rowOf(2 * half);
      if (!a.adds || row >= at.rowCount) continue;
      const std::int64_t pixel = a.rows.pixel(at.set, at.firstRow + row);
      maximum[half] = static_cast<const float*>(a.logSumExp.data)[pixel * a.logSumExp.stride];
      total[half] = laneOfWarp() % kQuadLanes == 0 ? 1 : 0;
    }
  }
};

/// Scores become weights relative to the new maxima, which sums follow.
template <int tiles>
__device__ __forceinline__ void weigh(const WeightedSums& a, const TensorPlace& at, Softmax& softmax,
                                      Fragment& scores, float (&sums)[tiles][4]) {
  const auto larger = [](float x, float y) { return fmaxf(x, y); };
#pragma unroll
  for (int half = 0; half < kHalves; ++half) {
    float maximum = kMostNegative;
#pragma unroll
    for (int j = 0; j < kColumnTiles; ++j) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        const bool there = at.hasWeight(a, rowOf(i), columnOf(j, i));
        scores[j][i] = there ? a.scale * scores[j][i] : -INFINITY;
        maximum = larger(maximum, scores[j][i]);
      }
    }
    maximum = larger(softmax.maximum[half], quadReduce(maximum, larger));
    const float factor = __expf(softmax.maximum[half] - maximum);
    softmax.maximum[half] = maximum;
    softmax.total[half] *= factor;
#pragma unroll
    for (int j = 0; j < kColumnTiles; ++j) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        scores[j][i] = __expf(scores[j][i] - maximum);
        softmax.total[half] += scores[j][i];
      }
    }
#pragma unroll
    for (int j = 0; j < tiles; ++j) {
      sums[j][2 * half] *= factor;
      sums[j][2 * half + 1] *= factor;
    }
  }
}

/// Of dValue in float16, the power of two that weights are multiplied by until they are summed: of many
/// pixels each has a weight of which float16 keeps few bits, or none. With 2¹⁴ even 1 is far from too large.
template <class T, AttentionPass pass>
inline constexpr int kWeightExponent = std::is_same_v<T, Float16>&& pass == AttentionPass::dValue ? 14 : 0;

/// Scores become the weights that the statistics tell.
template <bool byRow, class T, int width>
__device__ __forceinline__ void weighAgain(const WeightedSums& a, const TensorPlace& at,
                                           const TensorMemory<T, width>& shared, float logFactor,
                                           Fragment& scores) {
#pragma unroll
  for (int j = 0; j < kColumnTiles; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float logSumExp = shared.logSumExp[byRow ? at.warpRow + rowOf(i) : columnOf(j, i)] - logFactor;
      const bool there = at.hasWeight(a, rowOf(i), columnOf(j, i));
      scores[j][i] = there ? __expf(a.scale * scores[j][i] - logSumExp) : 0;
    }
  }
}

/// The gradient through the softmax: weights ∘ (products − means).
template <bool byRow, class T, int width>
__device__ __forceinline__ void differentiate(const TensorPlace& at, const TensorMemory<T, width>& shared,
                                              const Fragment& products, Fragment& weights) {
#pragma unroll
  for (int j = 0; j < kColumnTiles; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float mean = shared.means[byRow ? at.warpRow + rowOf(i) : columnOf(j, i)];
      weights[j][i] = columnOf(j, i) < at.columnCount ? weights[j][i] * (products[j][i] - mean) : 0;
    }
  }
}

template <class T, int width, AttentionPass pass>
__global__ void __launch_bounds__(kTensorThreads, 1)
    tensorSumsKernel(const __grid_constant__ WeightedSums a) {
  if constexpr (kBeforeAmpere) return stop();  // whose blocks have not the memory
  constexpr bool kForward = pass == AttentionPass::y, kByRow = pass == AttentionPass::dQuery;
  constexpr bool kDifferentiates = pass == AttentionPass::dQuery || pass == AttentionPass::dKey;
  constexpr float kFactor = 1 << kWeightExponent<T, pass>, kLogTwo = 0.693147181f;
  constexpr float kLogFactor = kWeightExponent<T, pass> * kLogTwo;
  auto& shared = sharedMemory<TensorMemory<T, width>>();
  TensorPlace at = TensorPlace::first<width>(a);
  TensorTiles<T, width, pass> tiles(a, shared);
  const T* const resident = a.depth <= kResidentDepth ? &shared.rowFactors[at.warpRow][0] : nullptr;
  const int termCount = upTo(width, a.width - at.firstTerm);

  float sums[width / 8][4] = {};
  Softmax softmax(a, at);
#pragma unroll 1
  for (; at.columnCount > 0; at.advance(a)) {
    Fragment weights;
    multiply(tiles, at, resident, a.depth, weights);
    if constexpr (kForward) {
      if (at.hasRows()) weigh(a, at, softmax, weights, sums);
    } else {
      weighAgain<kByRow>(a, at, shared, kLogFactor, weights);
    }
    if constexpr (kDifferentiates) {
      Fragment products;
      multiply<T>(tiles, at, nullptr, a.channels, products);
      differentiate<kByRow>(at, shared, products, weights);
    }
    const auto& tile = tiles.next();
    if (at.hasRows()) addTerms<width>(weights, tile.terms, at.columnCount, termCount, sums);
  }

  if (!at.hasRows()) return;
#pragma unroll
  for (int half = 0; half < kHalves; ++half) {
    float factor = kDifferentiates ? a.scale : 1 / kFactor, before = 1;
    const float total =
        kForward ? quadReduce(softmax.total[half], [](float x, float y) { return x + y; }) : 1;
    const int row = at.warpRow + rowOf(2 * half);
    if (row >= at.rowCount) continue;
    const std::int64_t pixel = a.rows.pixel(at.set, at.firstRow + row);
    if constexpr (kForward) {
      factor = 1 / total;
      if (a.adds) {
        const float old = static_cast<const float*>(a.logSumExp.data)[pixel * a.logSumExp.stride];
        before = factor * __expf(old - softmax.maximum[half]);
      }
      if (a.newLogSumExp.data && blockIdx.y == 0 && laneOfWarp() % kQuadLanes == 0) {
        static_cast<float*>(a.newLogSumExp.data)[pixel * a.newLogSumExp.stride] =
            softmax.maximum[half] + logf(total);
      }
    }
    T* const to = static_cast<T*>(a.sums.data) + pixel * a.sums.stride + at.firstTerm;
#pragma unroll
    for (int j = 0; j < width / 8; ++j) {
      if (j * 8 >= termCount) break;
      float pair[2] = {factor * sums[j][2 * half], factor * sums[j][2 * half + 1]};
      T* const place = to + columnOf(j, 0);
      if (a.adds) {
        float old[2];
        loadPack<2>(place, old);
        pair[0] += before * old[0];
        pair[1] += before * old[1];
      }
      storePack<2>(place, pair);
    }
  }
}

template <class T, int width, AttentionPass pass>
void enqueueTensorKernel(const WeightedSums& a, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(a.rows.count * divideUp(a.rows.length, std::int64_t{kTensorRows})),
                    static_cast<unsigned>(divideUp(a.width, std::int64_t{width})));
  launch<tensorSumsKernel<T, width, pass>>({blocks, kTensorThreads, sizeof(TensorMemory<T, width>)}, stream,
                                           a);
}

template <class T, AttentionPass pass>
void enqueueTensorPass(const WeightedSums& a, cudaStream_t stream) {
  a.width <= 128 ? enqueueTensorKernel<T, 128, pass>(a, stream)
                 : enqueueTensorKernel<T, 256, pass>(a, stream);
}

}  // namespace attention

template <class T>
std::size_t tensorSumsBytes(std::int64_t width) {
  return width <= 128 ? sizeof(attention::TensorMemory<T, 128>) : sizeof(attention::TensorMemory<T, 256>);
}

template <class T>
void enqueueTensorSums(AttentionPass pass, const WeightedSums& a, cudaStream_t stream) {
  switch (pass) {
    case AttentionPass::y:
      return attention::enqueueTensorPass<T, AttentionPass::y>(a, stream);
    case AttentionPass::dQuery:
      return attention::enqueueTensorPass<T, AttentionPass::dQuery>(a, stream);
    case AttentionPass::dKey:
      return attention::enqueueTensorPass<T, AttentionPass::dKey>(a, stream);
    case AttentionPass::dValue:
      return attention::enqueueTensorPass<T, AttentionPass::dValue>(a, stream);
  }
}

}  // namespace ocrnet::cuda
