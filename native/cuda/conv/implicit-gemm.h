#pragma once

// A convolution, or its input's gradient, as a product of matrices that is never written down: its rows are
// the results' pixels, its columns their channels, and its depth all channels of all taps. A block computes a
// tile; step by step it copies the sources under its pixels (zeros where there are none) and the filter's
// part into shared memory, two steps ahead of the one that it multiplies.
//
// Results of a strided input gradient fall into phases with taps of their own (axis.h): each phase is a
// product, and no multiplication is spent on taps that miss.
//
// Bound by arithmetic from some 300 products an element on: 2·128·128 products for 2·128 elements of a step.

#include "core/integers.h"
#include "cuda/conv/copy-unit.h"
#include "cuda/conv/finish.h"
#include "cuda/conv/pipeline.h"
#include "cuda/conv/products.h"
#include "cuda/device/divisor.h"
#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

struct ImplicitGemm {
  Source source;
  const void* filter;  // packed, of the products' element type: (phases, groups, results, depth)
  int batch, groups;
  Axis vertical, horizontal;
  int sourceChannels, resultChannels;  // of a group
  Divisor paddedChannels;              // sourceChannels as a tap of the filter has them
  std::int64_t filterDepth;
  Finish finish;
  int pack;  // neighbouring channels that are written at once: 8, 4 or 1
};

/// A row of the tile: where the first tap's source is, and the pixel of the result; negative where there is
/// none.
struct alignas(16) RowPlace {
  int y, x, source, result;
};

template <class Tile>
struct GemmMemory {
  TileMemory<Tile> tile;
  RowPlace rows[Tile::rows];
};

/// One block's part of the problem.
struct GemmBlock {
  Phase down, across;
  int phase, group, firstRow, firstColumn, rows;  // rows: of the phase

  template <class Tile>
  static __device__ __forceinline__ GemmBlock find(const ImplicitGemm& g) {
    const int phase = static_cast<int>(blockIdx.z), tile = static_cast<int>(blockIdx.x);
    const int tilesAcross = divideUp(g.resultChannels, Tile::columns);
    GemmBlock block{.down = phaseOf(g.vertical, phase / g.horizontal.divisor),
                    .across = phaseOf(g.horizontal, phase % g.horizontal.divisor),
                    .phase = phase,
                    .group = static_cast<int>(blockIdx.y),
                    .firstRow = tile / tilesAcross * Tile::rows,
                    .firstColumn = tile % tilesAcross * Tile::columns,
                    .rows = 0};
    block.rows = g.batch * block.down.results * block.across.results;
    return block;
  }
};

/// A row or column from which no tap leads to one that is there.
inline constexpr int kNowhere = -(1 << 30);

template <class Tile, Mistake mistake>
__device__ __forceinline__ void findRows(const ImplicitGemm& g, const GemmBlock& block,
                                         RowPlace (&rows)[Tile::rows]) {
  for (int i = static_cast<int>(threadIdx.x); i < Tile::rows; i += Tile::threads) {
    const int row = block.firstRow + i;
    if (row >= block.rows + (mistake == Mistake::boundOfRows)) {
      rows[i] = {kNowhere, kNowhere, 0, -1};
      continue;
    }
    const int column = row % block.across.results, line = row / block.across.results;
    const int image = line / block.down.results;
    const int y = line % block.down.results, x = column;
    const int sourceY = y * block.down.multiplier + block.down.offset;
    const int sourceX = x * block.across.multiplier + block.across.offset;
    rows[i] = {.y = sourceY,
               .x = sourceX,
               .source = (image * g.vertical.sources + sourceY) * g.horizontal.sources + sourceX,
               .result = (image * g.vertical.results + block.down.resultAt(y)) * g.horizontal.results +
                         block.across.resultAt(x)};
  }
}

/// The sources of a step, in units of `unit` bytes.
template <class T, class Tile, int unit>
__device__ __forceinline__ void copySources(const ImplicitGemm& g, const GemmBlock& block,
                                            const RowPlace (&rows)[Tile::rows], int step, std::byte* to) {
  constexpr int kUnits = kDeepRowBytes / unit, kElements = unit / static_cast<int>(sizeof(T));
  const int column = static_cast<int>(threadIdx.x) % kUnits;
  std::int64_t inTap = step * kStepDepth<T> + column * kElements;
  const auto tap = static_cast<int>(g.paddedChannels.split(inTap)), channel = static_cast<int>(inTap);
  const int u = tap / block.across.taps, v = tap % block.across.taps;
  const int down = u * block.down.step, right = v * block.across.step;
  const int shift = down * g.horizontal.sources + right;
  const int there = u < block.down.taps ? min(max(g.sourceChannels - channel, 0), kElements) : 0;
  const T* const base = g.source.as<T>();
  const std::int64_t first = static_cast<std::int64_t>(block.group) * g.sourceChannels + channel;
#pragma unroll 2
  for (int i = static_cast<int>(threadIdx.x) / kUnits; i < Tile::rows; i += Tile::threads / kUnits) {
    const RowPlace row = rows[i];
    const bool inImage =
        there > 0 && inside(row.y + down, g.vertical.sources) && inside(row.x + right, g.horizontal.sources);
    const std::int64_t at = static_cast<std::int64_t>(row.source + shift) * g.source.stride + first;
    const int byte = column * unit;
    copyUnit<unit>(to + deepPlace(i, byte / kChunkBytes) + byte % kChunkBytes, base + (inImage ? at : 0),
                   inImage ? there * static_cast<int>(sizeof(T)) : 0);
  }
}

/// The filter's part of a step.
template <class T, class Tile, Mistake mistake>
__device__ __forceinline__ void copyFilter(const ImplicitGemm& g, const GemmBlock& block, int step,
                                           std::byte* to) {
  constexpr int kUnits = kDeepRowBytes / kChunkBytes, kElements = kChunkBytes / static_cast<int>(sizeof(T));
  const int chunk = static_cast<int>(threadIdx.x) % kUnits;
  const T* const base = static_cast<const T*>(g.filter);
  const std::int64_t first =
      static_cast<std::int64_t>(block.phase * g.groups + block.group) * g.resultChannels;
#pragma unroll 1  // addresses that are known ahead take registers that sums need
  for (int i = static_cast<int>(threadIdx.x) / kUnits; i < Tile::columns; i += Tile::threads / kUnits) {
    const int row = block.firstColumn + i;
    const bool there = row < g.resultChannels + (mistake == Mistake::boundOfColumns);
    const std::int64_t at = (first + row) * g.filterDepth + step * kStepDepth<T> + chunk * kElements;
    copyAsync16(to + deepPlace(i, chunk), base + (there ? at : 0), there);
  }
}

/// The staged rows from `first` on. Where moments are wanted, results are left in place of their sums.
template <class T, int count, class Tile, Mistake mistake>
__device__ __forceinline__ void writeStaged(const ImplicitGemm& g, const GemmBlock& block,
                                            GemmMemory<Tile>& memory, int first) {
  constexpr int kPacks = Tile::columns / count, kPart = count < 4 ? count : 4;
  for (int i = static_cast<int>(threadIdx.x); i < kStagedRows * kPacks; i += Tile::threads) {
    const int row = i / kPacks, column = i % kPacks * count, channel = block.firstColumn + column;
    const int result = memory.rows[first + row].result;
    if (result < 0 || channel >= g.resultChannels + (mistake == Mistake::boundOfColumns)) continue;
    float sums[count];
#pragma unroll
    for (int k = 0; k < count; k += kPart) {
      float part[kPart];
      loadPack<kPart>(&memory.tile.sums.rows[row][column + k], part);
#pragma unroll
      for (int e = 0; e < kPart; ++e) sums[k + e] = part[e];
    }
    finish<T>(g.finish, result, block.group * g.resultChannels + channel, sums);
    if (!g.finish.moments.wanted()) continue;
#pragma unroll
    for (int k = 0; k < count; k += kPart) {
      float part[kPart];
#pragma unroll
      for (int e = 0; e < kPart; ++e) part[e] = sums[k + e];
      storePack<kPart>(&memory.tile.sums.rows[row][column + k], part);
    }
  }
}

/// The moments of the results that were left in place of their sums: those of the tile's rows from `first`
/// on. Two lanes have a column, and rows whose columns lie in different banks. Distances are from the first
/// row: none of 64 values is further from their mean than eight deviations.
template <class Tile>
__device__ __forceinline__ void writeMoments(const ImplicitGemm& g, const GemmBlock& block,
                                             const StagedSums<Tile>& staged, int first) {
  constexpr int kColumns = kWarpLanes / 2;  // of a warp
  static_assert(kStagedRows == kMomentPixels && Tile::threads == 2 * Tile::columns);
  const int row = block.firstRow + first, rows = min(kStagedRows, block.rows - row);
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const int column = static_cast<int>(threadIdx.x) / kWarpLanes * kColumns + lane % kColumns;
  const float shift = staged.rows[0][column];
  float sum = 0, squares = 0;
#pragma unroll 8
  for (int i = 0; i < kStagedRows / 2; ++i) {
    const int at = i / 2 * 4 + lane / kColumns * 2 + i % 2;
    const float distance = at < rows ? staged.rows[at][column] - shift : 0;
    sum += distance;
    squares = fmaf(distance, distance, squares);
  }
  sum += __shfl_xor_sync(kAllLanes, sum, kColumns);
  squares += __shfl_xor_sync(kAllLanes, squares, kColumns);
  const float offset = sum / static_cast<float>(rows);
  squares -= sum * offset;
  const int channel = block.firstColumn + column;
  if (rows > 0 && lane < kColumns && channel < g.resultChannels) {
    g.finish.moments.write(row / kMomentPixels, block.group * g.resultChannels + channel, shift + offset,
                           squares < 0 ? 0 : squares);
  }
}

template <class Products, class Tile, int unit, Mistake mistake = Mistake::none>
__global__ void __launch_bounds__(Tile::threads, atOnce(Tile::blocksAtOnce))
    implicitGemmKernel(ImplicitGemm g) {
  using T = typename Products::Element;
  auto& memory = sharedMemory<GemmMemory<Tile>>();
  const GemmBlock block = GemmBlock::find<Tile>(g);
  if (block.firstRow >= block.rows) return;  // all of the block's threads: another phase has more rows
  findRows<Tile, mistake>(g, block, memory.rows);
  __syncthreads();

  const int depth = block.down.taps * block.across.taps * static_cast<int>(g.paddedChannels.value());
  const int steps = divideUp(depth, kStepDepth<T>);
  Steps<Tile>& stages = memory.tile.steps;
  const auto copyStep = [&](int step, int stage) {
    copySources<T, Tile, unit>(g, block, memory.rows, step, stages.a[stage]);
    copyFilter<T, Tile, mistake>(g, block, step, stages.b[stage]);
  };
  typename Products::template Sums<Tile> sums;
  runSteps<mistake>(steps, copyStep, [&](int stage) { sums.addDeep(stages.a[stage], stages.b[stage]); });

  for (int first = 0; first < Tile::rows; first += kStagedRows) {
    __syncthreads();
    sums.stage(first, memory.tile.sums);
    __syncthreads();
    switch (g.pack) {
      case 8:
        writeStaged<T, 8, Tile, mistake>(g, block, memory, first);
        break;
      case 4:
        writeStaged<T, 4, Tile, mistake>(g, block, memory, first);
        break;
      default:
        writeStaged<T, 1, Tile, mistake>(g, block, memory, first);
    }
    if (!g.finish.moments.wanted()) continue;
    if constexpr (mistake != Mistake::missingMomentsBarrier) __syncthreads();
    writeMoments(g, block, memory.tile.sums, first);
  }
}

/// Starts a kernel that copies units of 16, 4 or (16-bit numbers) 2 bytes.
using LaunchImplicitGemm = void (*)(const ImplicitGemm&, bool large, int unit, cudaStream_t);

/// Of large tiles there are kernels for units of 16 bytes alone, and those of small ones take the others.
template <class Products>
void launchImplicitGemm(const ImplicitGemm& gemm, bool large, int unit, cudaStream_t stream);

/// A step that packs the filter where it is no parameter, and then launches.
std::unique_ptr<PreparedStep> prepareImplicitGemm(const Problem& problem, const StepDescription& step,
                                                  const Device& device, Parameters& parameters, bool large,
                                                  LaunchImplicitGemm launch);

}  // namespace ocrnet::cuda::conv
