#pragma once

// A convolution as in implicit-gemm.h, by the instructions of GPUs of compute capability 9.0
// (warpgroup-tile.h).
//
// The copy engine finds a tile's sources by itself: pixels in the order of the results, moved by a tap, zeros
// outside of the image, whatever stride and dilation. So a step is a tap and 128 bytes of its channels, and a
// row of the tile is a result pixel, of any image.
//
// A product's thread has two neighbouring columns of eight; the packed filter has its results in such an
// order that the thread's columns of 32 are eight neighbouring channels (packed-filter.h), which it writes at
// once.

#include <cuda_runtime.h>

#include <memory>

#include "cuda/conv/finish.h"
#include "cuda/conv/warpgroup-tile.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

using GemmTile64 = WarpgroupTile<1, 64>;
using GemmTile96 = WarpgroupTile<1, 96>;
using GemmTile128 = WarpgroupTile<1, 128, 2>;
using GemmTile192 = WarpgroupTile<2, 96, 2>;
using GemmTile256 = WarpgroupTile<2, 128, 2>;

struct WarpgroupGemm {
  TensorMap source, filter;
  WalkedAxis vertical, horizontal;
  int channelSteps;  // of a tap
  int pixels, resultChannels;
  int tiles, tilesAcross;  // of all blocks of a cluster
  Finish finish;
};

/// The first pixel and channel of this block's part of a tile.
template <class Tile>
__device__ __forceinline__ int firstPixelOf(const WarpgroupGemm& g, int tile) {
  return (tile / g.tilesAcross * Tile::cluster + blockOfCluster<Tile>()) * Tile::rows;
}
template <class Tile>
__device__ __forceinline__ int firstChannelOf(const WarpgroupGemm& g, int tile) {
  return tile % g.tilesAcross * Tile::columns;
}

template <class T, class Tile>
__device__ __forceinline__ void copySteps(const WarpgroupGemm& g, int tile, WarpgroupMemory<Tile>& memory,
                                          Turn<Tile>& turn) {
  constexpr int kShare = Tile::columns / Tile::cluster;  // of the columns, which this block copies
  const int pixel = firstPixelOf<Tile>(g, tile), share = blockOfCluster<Tile>() * kShare;
  const int line = pixel / g.horizontal.results;
  CopiedPixel from{.channel = 0,
                   .x = g.horizontal.start(pixel % g.horizontal.results),
                   .y = g.vertical.start(line % g.vertical.results),
                   .image = line / g.vertical.results};
  int column = 0;  // of the filter
  for (int u = 0; u < g.vertical.taps; ++u) {
    for (int v = 0; v < g.horizontal.taps; ++v) {
      for (int step = 0; step < g.channelSteps; ++step, column += kBoxElements<T>) {
        from.channel = step * kBoxElements<T>;
        copyStep(memory, turn, [&](std::byte* a, std::byte* b, TransactionBarrier& barrier) {
          copyPixels(a, g.source, barrier, from, g.horizontal.offset(v), g.vertical.offset(u));
          copyRows<Tile::allBlocks>(b + share * kBoxRowBytes, g.filter, barrier, column,
                                    firstChannelOf<Tile>(g, tile) + share);
        });
      }
    }
  }
}

/// Eight neighbouring channels of a pixel, which begin at multiples of 16 bytes: as finishAs.
template <class T>
__device__ __forceinline__ void finishEight(const Finish& f, int pixel, int channel, float (&sums)[8]) {
  if constexpr (sizeof(T) == 2) {
    if (!f.resultIsFloat32) return finishAs<8, T>(f, pixel, channel, sums);
  }
#pragma unroll
  for (int half = 0; half < 8; half += 4) {
    float four[4] = {sums[half], sums[half + 1], sums[half + 2], sums[half + 3]};
    finishAs<4, float>(f, pixel, channel + half, four);
#pragma unroll
    for (int k = 0; k < 4; ++k) sums[half + k] = four[k];
  }
}

template <class T, class Tile, Mistake mistake>
__device__ __forceinline__ void finishTile(const WarpgroupGemm& g, int tile, int warpgroup,
                                           const WarpgroupSums<Tile>& sums, MomentExchange<Tile>& exchange) {
  constexpr int kGroupColumns = 32, kGroupSums = kGroupColumns / 2;
  const int tilePixel = firstPixelOf<Tile>(g, tile), tileChannel = firstChannelOf<Tile>(g, tile);
  const int row = tilePixel + rowOfSums(warpgroup);
  const int column = tileChannel + static_cast<int>(threadIdx.x) % 4 * 8;
  const int firstPixel = tilePixel + warpgroup * kWarpgroupRows;
  const bool findsMoments = g.finish.moments.wanted() && firstPixel < g.pixels;
  WarpgroupMoments<Tile, mistake != Mistake::missingMomentsBarrier> moments(exchange, warpgroup, firstPixel,
                                                                            g.pixels);
#pragma unroll
  for (int part = 0; part < Tile::parts; ++part) {
#pragma unroll
    for (int group = 0; group < Tile::partColumns / kGroupColumns; ++group) {
      const int first = part * Tile::partColumns + group * kGroupColumns, channel = column + first;
      const bool isChannel = channel < g.resultChannels + (mistake == Mistake::boundOfColumns);
      float rows[2][8];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int pixel = row + 8 * half;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          rows[half][i] = sums[part][group * kGroupSums + i / 2 * 4 + 2 * half + i % 2];
        }
        if (isChannel && pixel < g.pixels + (mistake == Mistake::boundOfRows)) {
          finishEight<T>(g.finish, pixel, channel, rows[half]);
        }
      }
      if (findsMoments) moments.add(g.finish.moments, tileChannel, g.resultChannels, first, rows);
    }
  }
}

template <class T, class Tile, Mistake mistake = Mistake::none>
__global__ void __launch_bounds__(Tile::threads, Tile::blocksAtOnce)
    warpgroupGemmKernel(const __grid_constant__ WarpgroupGemm g) {
  auto& memory = sharedMemory<WarpgroupMemory<Tile>>();
  if (threadIdx.x == 0) prefetch(g.source), prefetch(g.filter);
  runWarpgroups<Tile, mistake>(
      memory,
      [&] {
        Turn<Tile> turn;
        eachTile<Tile>(g.tiles, [&](int tile) { copySteps<T>(g, tile, memory, turn); });
      },
      [&](int warpgroup) {
        const int steps = g.vertical.taps * g.horizontal.taps * g.channelSteps;
        Turn<Tile> turn;
        eachTile<Tile>(g.tiles, [&](int tile) {
          WarpgroupSums<Tile> sums;
          multiplySteps<T, Tile, OperandRows::ofResults, mistake>(memory, steps, warpgroup, turn, sums);
          finishTile<T, Tile, mistake>(g, tile, warpgroup, sums, memory.moments[warpgroup]);
        });
      });
}

/// Starts the kernel of tiles with so many columns in so many blocks.
using LaunchWarpgroupGemm = void (*)(const WarpgroupGemm&, int columns, int blocks, cudaStream_t);
template <class T>
void launchWarpgroupGemm(const WarpgroupGemm& gemm, int columns, int blocks, cudaStream_t stream);

/// A step that packs the filter where it is no parameter, and then launches. For each of the tiles above.
template <class Tile>
std::unique_ptr<PreparedStep> prepareWarpgroupGemm(const Problem& problem, const StepDescription& step,
                                                   const Device& device, Parameters& parameters,
                                                   LaunchWarpgroupGemm launch);

}  // namespace ocrnet::cuda::conv
