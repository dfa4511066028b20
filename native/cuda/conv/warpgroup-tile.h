#pragma once

// What a block of the warpgroups' kernels is: one thread lets the copy engine bring the steps of a product
// into a ring of stages in shared memory, two warpgroups multiply, each half of a tile's rows. Barriers tell
// when a stage is full, and when both have read it. Blocks go on from tile to tile, and the copies for the
// next run while the sums of the last are finished.
//
// What a step of a tile multiplies comes from the second-level cache, faster than that can give it to all
// multiprocessors at once. So wide tiles are computed in pairs, one below the other, by two blocks of a
// cluster: each lets half of the columns be copied to both. Of narrow tiles two blocks are on a
// multiprocessor, of which one finishes its sums while the other multiplies.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/conv/axis.h"
#include "cuda/conv/tile.h"
#include "cuda/conv/warpgroup-moments.h"
#include "cuda/device/cluster.h"
#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/device/tensor-copy.h"
#include "cuda/device/warpgroup.h"

namespace ocrnet::cuda::conv {

/// An axis as the copy engine walks it: result i's tap t reads pixel first + i · multiplier + t · step +
/// shift, which counts from the lowest of the taps.
struct WalkedAxis {
  int results, taps;
  int first, multiplier;
  int step, shift;

  __host__ __device__ constexpr int start(int result) const { return first + result * multiplier; }
  __host__ __device__ constexpr int offset(int tap) const { return tap * step + shift; }
};

inline constexpr int kConsumers = 2;  // warpgroups

/// 128 rows and `parts` times as many columns as one product has, of a block; `cluster` blocks compute tiles
/// together. A step of its depth are 128 bytes.
template <int parts_, int partColumns_, int cluster_ = 1>
struct WarpgroupTile {
  static constexpr int parts = parts_, partColumns = partColumns_;
  static constexpr int rows = kConsumers * kWarpgroupRows, columns = parts * partColumns;
  static constexpr int threads = (1 + kConsumers) * kWarpgroupThreads;
  static constexpr int cluster = cluster_, blocksAtOnce = columns < 128 ? 2 : 1;
  static constexpr unsigned allBlocks = cluster > 1 ? (1u << cluster) - 1 : kOwnBlock;

  static constexpr std::size_t rowsBytes = std::size_t{rows} * kBoxRowBytes;
  static constexpr std::size_t columnsBytes = std::size_t{columns} * kBoxRowBytes;
  static constexpr std::size_t stageBytes = rowsBytes + columnsBytes;
  static constexpr std::size_t mostBytes = 224 * 1024 / blocksAtOnce;  // of 227 KB
  static constexpr int stages = static_cast<int>(mostBytes / stageBytes < 8 ? mostBytes / stageBytes : 8);

  // Beside the stages and their barriers; two blocks leave a kilobyte each to the system.
  static constexpr std::size_t leftBytes =
      (blocksAtOnce > 1 ? 113 : 227) * 1024 - stages * stageBytes - 2 * 8 * sizeof(TransactionBarrier);
  static constexpr std::size_t momentBytes = kConsumers * kWarpgroupWarps * sizeof(Moment);  // of a column
  static constexpr int momentColumns = columns * momentBytes <= leftBytes ? columns
                                       : 32 * momentBytes <= leftBytes    ? 32
                                                                          : 8;
};

template <class Tile>
struct WarpgroupMemory {
  alignas(1024) std::byte a[Tile::stages][Tile::rowsBytes];
  alignas(1024) std::byte b[Tile::stages][Tile::columnsBytes];
  TransactionBarrier full[Tile::stages], empty[Tile::stages];
  MomentExchange<Tile> moments[kConsumers];
};

/// The stage in turn, and the parity of its barriers' phase.
template <class Tile>
struct Turn {
  int stage = 0;
  unsigned parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < Tile::stages) return;
    stage = 0;
    parity ^= 1;
  }
};

/// work(tile) for each of this block's tiles, of which those of a cluster's blocks are one.
template <class Tile, class Work>
__device__ __forceinline__ void eachTile(int tiles, const Work& work) {
  const auto first = static_cast<int>(blockIdx.x / Tile::cluster);
  for (int tile = first; tile < tiles; tile += static_cast<int>(gridDim.x / Tile::cluster)) work(tile);
}
template <class Tile>
__device__ __forceinline__ int blockOfCluster() {
  return static_cast<int>(blockIdx.x % Tile::cluster);
}

/// The next step, when its stage has been read: copy(a, b, barrier) starts copies of all its bytes, or in a
/// cluster of this block's share.
template <class Tile, class Copy>
__device__ __forceinline__ void copyStep(WarpgroupMemory<Tile>& memory, Turn<Tile>& turn, const Copy& copy) {
  TransactionBarrier& full = memory.full[turn.stage];
  awaitPhase(memory.empty[turn.stage], turn.parity ^ 1);
  arriveExpecting(full, Tile::stageBytes);
  copy(memory.a[turn.stage], memory.b[turn.stage], full);
  turn.advance();
}

template <class Tile>
using WarpgroupSums = float[Tile::parts][Tile::partColumns / 2];

/// A warpgroup's rows of a tile, from the next steps.
template <class T, class Tile, OperandRows rows, Mistake mistake>
__device__ __forceinline__ void multiplySteps(WarpgroupMemory<Tile>& memory, int steps, int warpgroup,
                                              Turn<Tile>& turn, WarpgroupSums<Tile>& sums) {
  // Boxes of 64 rows or, where rows are of depth, of 64 columns of the tile.
  constexpr int kBoxBytes = 64 * kBoxRowBytes;
  constexpr int kProducts = kBoxRowBytes / kWarpgroupDepthBytes;
  constexpr int kDepth = rows == OperandRows::ofResults ? kWarpgroupDepthBytes : kBoxBytes / kProducts;
  const auto operand = [](const std::byte* first) {
    return rows == OperandRows::ofDepth ? swizzledOperand(first, kBoxBytes) : swizzledOperand(first);
  };
  const auto release = [&](int stage) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
    if (lane >= Tile::cluster) return;
    if constexpr (Tile::cluster > 1) {
      arriveAt(memory.empty[stage], lane);
    } else {
      arrive(memory.empty[stage]);
    }
  };
  int last = 0;  // stage, whose products may still run
  for (int step = 0; step < steps; ++step) {
    awaitPhase(memory.full[turn.stage], turn.parity);
    const std::uint64_t a = operand(memory.a[turn.stage] + warpgroup * kBoxBytes);
    const std::uint64_t b = operand(memory.b[turn.stage]);
    fenceProducts();
#pragma unroll
    for (int i = 0; i < kProducts; ++i) {
#pragma unroll
      for (int part = 0; part < Tile::parts; ++part) {
        multiplyAddTogether<T, Tile::partColumns, rows>(
            sums[part], operandAt(a, i * kDepth),
            operandAt(b, i * kDepth + part * Tile::partColumns * kBoxRowBytes), step > 0 || i > 0);
      }
    }
    commitProducts();
    if constexpr (mistake == Mistake::earlyReuse) release(turn.stage);
    awaitProducts<1>();
    if (mistake != Mistake::earlyReuse && step > 0) release(last);
    last = turn.stage;
    turn.advance();
  }
  if constexpr (mistake != Mistake::lateWait) awaitProducts<0>();
  if constexpr (mistake != Mistake::earlyReuse) release(last);
}

template <class Tile>
__device__ __forceinline__ void synchroniseTogether() {
  if constexpr (Tile::cluster > 1) {
    synchroniseCluster();
  } else {
    __syncthreads();
  }
}

/// copyAll() on one thread, multiplyAll(warpgroup) on those of two warpgroups.
template <class Tile, Mistake mistake, class CopyAll, class MultiplyAll>
__device__ __forceinline__ void runWarpgroups(WarpgroupMemory<Tile>& memory, const CopyAll& copyAll,
                                              const MultiplyAll& multiplyAll) {
  constexpr int kConsumerWarps = kConsumers * kWarpgroupThreads / kWarpLanes * Tile::cluster;
  // Of the 168 or 80 that a launch gives to each thread, those that copies do without go to the sums.
  constexpr int kProducerRegisters = Tile::blocksAtOnce > 1 ? 24 : 40;
  constexpr int kConsumerRegisters = Tile::blocksAtOnce > 1 ? 104 : 232;
  if (threadIdx.x == 0) {
    for (int i = 0; i < Tile::stages; ++i) {
      initialise(memory.full[i], 1);
      initialise(memory.empty[i], kConsumerWarps);
    }
    publishBarriers();
  }
  if constexpr (mistake != Mistake::missingBarrier) synchroniseTogether<Tile>();
  if (threadIdx.x < kWarpgroupThreads) {
    yieldRegisters<kProducerRegisters>();
    if (threadIdx.x == 0) copyAll();
  } else {
    claimRegisters<kConsumerRegisters>();
    multiplyAll(static_cast<int>(threadIdx.x) / kWarpgroupThreads - 1);
  }
  // The other block may still copy into this one, or arrive at its barriers.
  if constexpr (Tile::cluster > 1 && mistake != Mistake::earlyEnd) synchroniseCluster();
}

/// The row of a tile, of a product's sums 4i and 4i + 1; that of 4i + 2 and 4i + 3 is eight further.
__device__ __forceinline__ int rowOfSums(int warpgroup) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroupThreads;
  return warpgroup * kWarpgroupRows + thread / kWarpLanes * 16 + thread % kWarpLanes / 4;
}

}  // namespace ocrnet::cuda::conv
