// Blocked online softmax (lib/ops/attend-pixels.ts), with multiply-adds of float32.
//
// A block of threads has 64 rows of the matrix of weights, and passes over its columns, 128 at a time. A warp
// has 8 of the rows with all columns, so that maxima and sums over columns are a warp's own, and weights go
// from the lanes that computed them to those that need them through memory that no other warp looks at.
// Lanes share the columns while scores are computed (lane, lane + 32, …), and the channels of the sums while
// the weights are applied (4 at 4 · lane, …):
//
//     scores   8 × 4 a lane    of factors in tiles of 32 channels, of both sides
//     sums     8 × 8 a lane    of terms in tiles of 32 columns
//
// Tiles are copied while those before them are worked on. What a warp has in common it reads as a broadcast,
// four floats at once; what differs by lane lies in rows of 36 floats, which four floats at a time meet no
// bank twice. More than 256 channels of terms are shared out to further blocks, each of which computes the
// scores anew.
//
// Bound by multiply-adds: of y depth + width for each pair of pixels, of dQuery and dKey depth more and
// channels.

#include "core/integers.h"
#include "cuda/device/element.h"
#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"
#include "cuda/ops/weighted-sums-tiles.h"
#include "cuda/ops/weighted-sums.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

using namespace attention;

/// products += the warp's rows of a tile · its columns, transposed, over `inner` channels.
template <class Tile>
__device__ __forceinline__ void addProducts(const Tile& tile, int firstRow, int inner,
                                            float (&products)[kWarpRows][kLaneColumns]) {
  const int lane = threadIdx.x % kWarpLanes;
#pragma unroll 2
  for (int k = 0; k < inner; k += 4) {
    float column[kLaneColumns][4];
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) loadPack<4>(&tile.columns[lane + j * kWarpLanes][k], column[j]);
#pragma unroll
    for (int r = 0; r < kWarpRows; ++r) {
      float row[4];
      loadPack<4>(&tile.rows[firstRow + r][k], row);
#pragma unroll
      for (int j = 0; j < kLaneColumns; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) products[r][j] += row[e] * column[j][e];
      }
    }
  }
}

/// sums += the warp's weights, from a column on, · the tile's `count` terms.
template <int packs>
__device__ __forceinline__ void addTerms(const float (*weights)[kColumns], int firstColumn,
                                         const float (*terms)[packs * kPackWidth], int count,
                                         float (&sums)[kWarpRows][packs * kLanePack]) {
  const int lane = threadIdx.x % kWarpLanes;
#pragma unroll 1
  for (int k = 0; k < count; k += 4) {
    float weight[kWarpRows][4];
#pragma unroll
    for (int r = 0; r < kWarpRows; ++r) loadPack<4>(&weights[r][firstColumn + k], weight[r]);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
#pragma unroll
      for (int p = 0; p < packs; ++p) {
        float term[kLanePack];
        loadPack<kLanePack>(&terms[k + e][p * kPackWidth + lane * kLanePack], term);
#pragma unroll
        for (int r = 0; r < kWarpRows; ++r) {
#pragma unroll
          for (int c = 0; c < kLanePack; ++c) sums[r][p * kLanePack + c] += weight[r][e] * term[c];
        }
      }
    }
  }
}

/// products = rows · columnsᵀ over so many channels of the next tiles.
template <class Tiles>
__device__ __forceinline__ void multiply(Tiles& tiles, const Place& at, std::int64_t channels,
                                         float (&products)[kWarpRows][kLaneColumns]) {
#pragma unroll
  for (int r = 0; r < kWarpRows; ++r) {
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) products[r][j] = 0;
  }
#pragma unroll 1
  for (std::int64_t left = channels; left > 0; left -= kInner) {
    const auto& tile = tiles.next();
    if (at.hasRows()) addProducts(tile, at.warpRow, upTo(kInner, left), products);
  }
}

/// The softmax so far: maximum on every lane, total of the lane's own columns.
struct Softmax {
  float maximum[kWarpRows], total[kWarpRows];

  /// With what was summed before, or nothing. Not from −∞ on: then even a block of −∞ has a difference.
  __device__ __forceinline__ Softmax(const WeightedSums& a, const Place& at) {
    const int lane = threadIdx.x % kWarpLanes;
#pragma unroll
    for (int r = 0; r < kWarpRows; ++r) {
      maximum[r] = kMostNegative;
      total[r] = 0;
      if (!a.adds || at.warpRow + r >= at.rowCount) continue;
      const std::int64_t pixel = a.rows.pixel(at.set, at.firstRow + at.warpRow + r);
      maximum[r] = static_cast<const float*>(a.logSumExp.data)[pixel * a.logSumExp.stride];
      total[r] = lane == 0 ? 1 : 0;
    }
  }
};

/// Scores become weights relative to the new maxima, which sums follow.
template <int width>
__device__ __forceinline__ void weigh(const WeightedSums& a, const Place& at, Softmax& softmax,
                                      float (&scores)[kWarpRows][kLaneColumns],
                                      float (&sums)[kWarpRows][width]) {
  const int lane = threadIdx.x % kWarpLanes;
#pragma unroll
  for (int r = 0; r < kWarpRows; ++r) {
    float maximum = kMostNegative;
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      const bool there = at.hasWeight(a, r, lane + j * kWarpLanes);
      scores[r][j] = there ? a.scale * scores[r][j] : -INFINITY;
      maximum = fmaxf(maximum, scores[r][j]);
    }
    maximum = fmaxf(softmax.maximum[r], warpMaximum(maximum));
    const float factor = __expf(softmax.maximum[r] - maximum);
    softmax.maximum[r] = maximum;
    softmax.total[r] *= factor;
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      scores[r][j] = __expf(scores[r][j] - maximum);
      softmax.total[r] += scores[r][j];
    }
#pragma unroll
    for (int k = 0; k < width; ++k) sums[r][k] *= factor;
  }
}

/// Scores become the weights that the statistics tell.
template <bool byRow, int packs>
__device__ __forceinline__ void weighAgain(const WeightedSums& a, const Place& at,
                                           const SumsMemory<packs>& shared,
                                           float (&scores)[kWarpRows][kLaneColumns]) {
#pragma unroll
  for (int r = 0; r < kWarpRows; ++r) {
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      const int column = threadIdx.x % kWarpLanes + j * kWarpLanes;
      const float logSumExp = shared.logSumExp[byRow ? at.warpRow + r : column];
      scores[r][j] = at.hasWeight(a, r, column) ? __expf(a.scale * scores[r][j] - logSumExp) : 0;
    }
  }
}

/// The gradient through the softmax: weights ∘ (products − means).
template <bool byRow, int packs>
__device__ __forceinline__ void differentiate(const Place& at, const SumsMemory<packs>& shared,
                                              const float (&products)[kWarpRows][kLaneColumns],
                                              float (&weights)[kWarpRows][kLaneColumns]) {
#pragma unroll
  for (int r = 0; r < kWarpRows; ++r) {
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      const int column = threadIdx.x % kWarpLanes + j * kWarpLanes;
      const float mean = shared.means[byRow ? at.warpRow + r : column];
      weights[r][j] = column < at.columnCount ? weights[r][j] * (products[r][j] - mean) : 0;
    }
  }
}

/// Four channels of a sum, of which `there` are; where it adds, `before` times what is in memory to it.
template <class T>
__device__ __forceinline__ void storeSums(T* to, const float (&sums)[kLanePack], std::int64_t there,
                                          bool packed, bool adds, float before) {
  if (there <= 0) return;
  float x[kLanePack] = {sums[0], sums[1], sums[2], sums[3]};
  if (packed) {
    if (adds) {
      float old[kLanePack];
      loadPack<kLanePack>(to, old);
#pragma unroll
      for (int c = 0; c < kLanePack; ++c) x[c] += before * old[c];
    }
    storePack<kLanePack>(to, x);
  } else {
#pragma unroll
    for (int c = 0; c < kLanePack; ++c) {
      if (c < there) to[c] = fromFloat32<T>(adds ? x[c] + before * toFloat32(to[c]) : x[c]);
    }
  }
}

template <class T, int packs, AttentionPass pass>
__global__ void __launch_bounds__(kThreads, 1)
    sumsKernel(const __grid_constant__ WeightedSums a, bool packed) {
  if constexpr (kBeforeAmpere) return stop();  // whose blocks have not the memory
  constexpr bool kForward = pass == AttentionPass::y, kByRow = pass == AttentionPass::dQuery;
  constexpr bool kDifferentiates = pass == AttentionPass::dQuery || pass == AttentionPass::dKey;
  auto& shared = sharedMemory<SumsMemory<packs>>();
  Place at = Place::first<packs * kPackWidth>(a);
  Tiles<T, packs, pass> tiles(a, packed, shared);
  const int lane = threadIdx.x % kWarpLanes, warpRow = at.warpRow;

  float sums[kWarpRows][packs * kLanePack] = {};
  Softmax softmax(a, at);
#pragma unroll 1
  for (; at.columnCount > 0; at.advance(a)) {
    float weights[kWarpRows][kLaneColumns];
    multiply(tiles, at, a.depth, weights);
    if constexpr (kForward) {
      if (at.hasRows()) weigh(a, at, softmax, weights, sums);
    } else {
      weighAgain<kByRow>(a, at, shared, weights);
    }
    if constexpr (kDifferentiates) {
      float products[kWarpRows][kLaneColumns];
      multiply(tiles, at, a.channels, products);
      differentiate<kByRow>(at, shared, products, weights);
    }
#pragma unroll
    for (int r = 0; r < kWarpRows; ++r) {
#pragma unroll
      for (int j = 0; j < kLaneColumns; ++j)
        shared.weights[warpRow + r][lane + j * kWarpLanes] = weights[r][j];
    }
#pragma unroll 1
    for (int k = 0; k < at.columnCount; k += kTerms) {
      const auto& tile = tiles.next();
      if (at.hasRows())
        addTerms<packs>(shared.weights + warpRow, k, tile.terms, upTo(kTerms, at.columnCount - k), sums);
    }
  }

#pragma unroll
  for (int r = 0; r < kWarpRows; ++r) {
    if (warpRow + r >= at.rowCount) break;
    const std::int64_t pixel = a.rows.pixel(at.set, at.firstRow + warpRow + r);
    float factor = kDifferentiates ? a.scale : 1, before = 1;
    if constexpr (kForward) {
      const float total = warpSum(softmax.total[r]);
      factor = 1 / total;
      if (a.adds) {
        const float old = static_cast<const float*>(a.logSumExp.data)[pixel * a.logSumExp.stride];
        before = factor * __expf(old - softmax.maximum[r]);
      }
      if (a.newLogSumExp.data && blockIdx.y == 0 && lane == 0) {
        static_cast<float*>(a.newLogSumExp.data)[pixel * a.newLogSumExp.stride] =
            softmax.maximum[r] + logf(total);
      }
    }
    T* const to = static_cast<T*>(a.sums.data) + pixel * a.sums.stride;
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      float four[kLanePack];
#pragma unroll
      for (int c = 0; c < kLanePack; ++c) four[c] = factor * sums[r][p * kLanePack + c];
      const std::int64_t channel = at.firstTerm + p * kPackWidth + lane * kLanePack;
      storeSums(to + channel, four, a.width - channel, packed, a.adds, before);
    }
  }
}

/// Whether all maps can be read and written in packs.
template <class T>
bool isPacked(const WeightedSums& a) {
  constexpr int kPack = kPackElements<T>;
  return a.depth % kPack == 0 && a.channels % kPack == 0 &&
         fitsPacks(kPack, a.width, kPack * sizeof(T),
                   {a.rowFactors,
                    a.columnFactors,
                    a.rowGradients,
                    a.columnGradients,
                    a.terms,
                    {a.sums.data, a.sums.stride}});
}

template <class T, int packs, AttentionPass pass>
void enqueueKernel(const WeightedSums& a, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(a.rows.count * divideUp(a.rows.length, std::int64_t{kRows})),
                    static_cast<unsigned>(divideUp(a.width, std::int64_t{packs * kPackWidth})));
  launch<sumsKernel<T, packs, pass>>({blocks, kThreads, sizeof(SumsMemory<packs>)}, stream, a,
                                     isPacked<T>(a));
}

/// Of 16-bit numbers narrow kernels alone: maps that tensor cores do not take are rare.
template <class T, AttentionPass pass>
void enqueuePass(const WeightedSums& a, cudaStream_t stream) {
  if constexpr (std::is_same_v<T, float>) {
    if (a.width > kPackWidth) return enqueueKernel<T, 2, pass>(a, stream);
  }
  enqueueKernel<T, 1, pass>(a, stream);
}

}  // namespace

void requireSums(const Device& device) {
  constexpr std::size_t kLeast = sizeof(SumsMemory<2>);
  if (device.sharedBytes >= kLeast) return;
  throw Error("UNSUPPORTED", "needs GPUs whose blocks may have " + std::to_string(kLeast) +
                                 " bytes of shared memory, received " + device.model + " with " +
                                 std::to_string(device.sharedBytes));
}

void enqueueSums(AttentionPass pass, const WeightedSums& a, cudaStream_t stream) {
  withFloatType(a.type, [&](auto element) {
    using T = decltype(element);
    if constexpr (!std::is_same_v<T, float>) {
      if (isPacked<T>(a) && a.sharedBytes >= tensorSumsBytes<T>(a.width)) {
        return enqueueTensorSums<T>(pass, a, stream);
      }
    }
    switch (pass) {
      case AttentionPass::y:
        return enqueuePass<T, AttentionPass::y>(a, stream);
      case AttentionPass::dQuery:
        return enqueuePass<T, AttentionPass::dQuery>(a, stream);
      case AttentionPass::dKey:
        return enqueuePass<T, AttentionPass::dKey>(a, stream);
      case AttentionPass::dValue:
        return enqueuePass<T, AttentionPass::dValue>(a, stream);
    }
  });
}

}  // namespace ocrnet::cuda
