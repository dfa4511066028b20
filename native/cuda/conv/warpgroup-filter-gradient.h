#pragma once

// The filter's gradient as in filter-gradient-gemm.h, by the instructions of GPUs of compute capability 9.0
// (warpgroup-tile.h): rows are dy's channels, columns those of all taps of x, depth the pixels of dy, 64 in a
// step. Boxes of 64 pixels and 64 channels are operands as they are copied, those of x moved by the column's
// tap. A tap's channels are filled up to whole boxes with zeros.

#include <cuda_runtime.h>

#include <cstdint>

#include "core/integers.h"
#include "cuda/conv/problem.h"
#include "cuda/conv/warpgroup-tile.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

using GradientTile64 = WarpgroupTile<1, 64>;
using GradientTile128 = WarpgroupTile<1, 128>;
using GradientTile192 = WarpgroupTile<3, 64, 2>;
using GradientTile256 = WarpgroupTile<2, 128, 2>;

/// Pixels, and channels of a box.
inline constexpr int kGradientBox = 64;

struct WarpgroupFilterGradient {
  TensorMap x, dy;
  WalkedAxis vertical, horizontal;
  float* sums;             // (parts, outputs, taps, inputs)
  int inputs, inputBoxes;  // of a tap
  int outputs;
  int pixels, pixelsOfPart;       // the latter whole steps
  int tiles, tilesAcross, parts;  // tiles of all blocks of a cluster

  __host__ __device__ int taps() const { return vertical.taps * horizontal.taps; }
};

/// This block's part of a tile of one part's sums.
template <class Tile>
struct GradientWork {
  int part, firstRow, firstBox, firstPixel, steps;

  __device__ __forceinline__ GradientWork(const WarpgroupFilterGradient& f, int number)
      : part(number / f.tiles),
        firstRow((number % f.tiles / f.tilesAcross * Tile::cluster + blockOfCluster<Tile>()) * Tile::rows),
        firstBox(number % f.tiles % f.tilesAcross * (Tile::columns / kGradientBox)),
        firstPixel(part * f.pixelsOfPart),
        steps(divideUp(min(f.pixelsOfPart, f.pixels - firstPixel), kGradientBox)) {}
};

/// What lies under 64 columns: channels of x, moved by a tap.
struct ColumnBox {
  int channel, right, down;
};

/// Behind the last tap there are channels that no image has: zeros.
__device__ __forceinline__ ColumnBox columnBox(const WarpgroupFilterGradient& f, int box) {
  const int tap = min(box / f.inputBoxes, f.taps() - 1);
  return {.channel = (box - tap * f.inputBoxes) * kGradientBox,
          .right = f.horizontal.offset(tap % f.horizontal.taps),
          .down = f.vertical.offset(tap / f.horizontal.taps)};
}

template <class Tile>
__device__ __forceinline__ void copySteps(const WarpgroupFilterGradient& f, const GradientWork<Tile>& work,
                                          WarpgroupMemory<Tile>& memory, Turn<Tile>& turn) {
  constexpr int kBoxes = Tile::columns / kGradientBox, kBoxBytes = kGradientBox * kBoxRowBytes;
  constexpr int kShare = divideUp(kBoxes, Tile::cluster);  // of the boxes, which this block copies
  ColumnBox boxes[kShare];
#pragma unroll
  for (int i = 0; i < kShare; ++i) {
    boxes[i] = columnBox(f, work.firstBox + blockOfCluster<Tile>() + i * Tile::cluster);
  }
  for (int step = 0; step < work.steps; ++step) {
    const int pixel = work.firstPixel + step * kGradientBox, line = pixel / f.horizontal.results;
    CopiedPixel from{.channel = 0,
                     .x = f.horizontal.start(pixel % f.horizontal.results),
                     .y = f.vertical.start(line % f.vertical.results),
                     .image = line / f.vertical.results};
    copyStep(memory, turn, [&](std::byte* a, std::byte* b, TransactionBarrier& barrier) {
#pragma unroll
      for (int row = 0; row < Tile::rows; row += kGradientBox) {
        copyRows(a + row * kBoxRowBytes, f.dy, barrier, work.firstRow + row, pixel);
      }
#pragma unroll
      for (int i = 0; i < kShare; ++i) {
        const int place = blockOfCluster<Tile>() + i * Tile::cluster;
        if (place >= kBoxes) continue;
        from.channel = boxes[i].channel;
        copyPixels<Tile::allBlocks>(b + place * kBoxBytes, f.x, barrier, from, boxes[i].right, boxes[i].down);
      }
    });
  }
}

template <class Tile, Mistake mistake>
__device__ __forceinline__ void writeSums(const WarpgroupFilterGradient& f, const GradientWork<Tile>& work,
                                          int warpgroup, const WarpgroupSums<Tile>& sums) {
  const int row = work.firstRow + rowOfSums(warpgroup), pair = static_cast<int>(threadIdx.x) % 4 * 2;
  const std::int64_t rowElements = static_cast<std::int64_t>(f.taps()) * f.inputs;
  float* const part = f.sums + work.part * f.outputs * rowElements;
#pragma unroll
  for (int box = 0; box < Tile::columns / kGradientBox; ++box) {
    const int tap = (work.firstBox + box) / f.inputBoxes;
    if (tap >= f.taps()) continue;
    const int first = (work.firstBox + box - tap * f.inputBoxes) * kGradientBox;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int output = row + 8 * half;
      if (output >= f.outputs + (mistake == Mistake::boundOfRows)) continue;
      float* const to = part + output * rowElements + static_cast<std::int64_t>(tap) * f.inputs;
#pragma unroll
      for (int i = 0; i < kGradientBox / 8; ++i) {
        const int input = first + 8 * i + pair;
        if (input >= f.inputs + (mistake == Mistake::boundOfColumns)) continue;
        constexpr int kPartBoxes = Tile::partColumns / kGradientBox;
        const float* const two = &sums[box / kPartBoxes][box % kPartBoxes * 32 + 4 * i + 2 * half];
        *reinterpret_cast<float2*>(to + input) = {two[0], two[1]};
      }
    }
  }
}

template <class T, class Tile, Mistake mistake = Mistake::none>
__global__ void __launch_bounds__(Tile::threads, Tile::blocksAtOnce)
    warpgroupFilterGradientKernel(const __grid_constant__ WarpgroupFilterGradient f) {
  static_assert(Tile::partColumns % kGradientBox == 0, "columns of a product are whole boxes");
  auto& memory = sharedMemory<WarpgroupMemory<Tile>>();
  if (threadIdx.x == 0) prefetch(f.x), prefetch(f.dy);
  runWarpgroups<Tile, mistake>(
      memory,
      [&] {
        Turn<Tile> turn;
        eachTile<Tile>(f.tiles * f.parts,
                       [&](int number) { copySteps(f, GradientWork<Tile>(f, number), memory, turn); });
      },
      [&](int warpgroup) {
        Turn<Tile> turn;
        eachTile<Tile>(f.tiles * f.parts, [&](int number) {
          const GradientWork<Tile> work(f, number);
          WarpgroupSums<Tile> sums;
          multiplySteps<T, Tile, OperandRows::ofDepth, mistake>(memory, work.steps, warpgroup, turn, sums);
          writeSums<Tile, mistake>(f, work, warpgroup, sums);
        });
      });
}

/// Starts the kernel of tiles with so many columns in so many blocks.
using LaunchWarpgroupFilterGradient = void (*)(const WarpgroupFilterGradient&, int columns, int blocks,
                                               cudaStream_t);
template <class T>
void launchWarpgroupFilterGradient(const WarpgroupFilterGradient& gradient, int columns, int blocks,
                                   cudaStream_t stream);

/// For each of the tiles above.
template <class Tile>
std::unique_ptr<PreparedStep> prepareWarpgroupFilterGradient(const Problem& problem, const Device& device,
                                                             LaunchWarpgroupFilterGradient launch);

}  // namespace ocrnet::cuda::conv
