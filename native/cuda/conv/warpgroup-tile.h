#pragma once

// What a block of the warpgroups' kernels is: one thread lets the copy engine bring the steps of a product
// into a ring of stages in shared memory, two warpgroups multiply, each half of a tile's rows. Barriers tell
// when a stage is full, and when both have read it. Blocks go on from tile to tile, and the copies for the
// next run while the sums of the last are finished.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/conv/axis.h"
#include "cuda/conv/tile.h"
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

/// 128 rows and `parts` times as many columns as one product has. A step of its depth are 128 bytes.
template <int parts_, int partColumns_>
struct WarpgroupTile {
  static constexpr int parts = parts_, partColumns = partColumns_;
  static constexpr int rows = kConsumers * kWarpgroupRows, columns = parts * partColumns;
  static constexpr int threads = (1 + kConsumers) * kWarpgroupThreads;

  static constexpr std::size_t rowsBytes = std::size_t{rows} * kBoxRowBytes;
  static constexpr std::size_t columnsBytes = std::size_t{columns} * kBoxRowBytes;
  static constexpr std::size_t stageBytes = rowsBytes + columnsBytes;
  static constexpr std::size_t mostBytes = 224 * 1024;  // of the 227 KB that a block may have
  static constexpr int stages = static_cast<int>(mostBytes / stageBytes < 8 ? mostBytes / stageBytes : 8);
};

template <class Tile>
struct WarpgroupMemory {
  alignas(1024) std::byte a[Tile::stages][Tile::rowsBytes];
  alignas(1024) std::byte b[Tile::stages][Tile::columnsBytes];
  TransactionBarrier full[Tile::stages], empty[Tile::stages];
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

/// The next step, when its stage has been read: copy(a, b, barrier) starts copies of all its bytes.
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
  const auto release = [&](int stage) {
    if (threadIdx.x % kWarpLanes == 0) arrive(memory.empty[stage]);
  };
  int last = 0;  // stage, whose products may still run
  for (int step = 0; step < steps; ++step) {
    awaitPhase(memory.full[turn.stage], turn.parity);
    const std::uint64_t a = swizzledOperand(memory.a[turn.stage] + warpgroup * kBoxBytes, kBoxBytes);
    const std::uint64_t b = swizzledOperand(memory.b[turn.stage], kBoxBytes);
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

/// copyAll() on one thread, multiplyAll(warpgroup) on those of two warpgroups.
template <class Tile, Mistake mistake, class CopyAll, class MultiplyAll>
__device__ __forceinline__ void runWarpgroups(WarpgroupMemory<Tile>& memory, const CopyAll& copyAll,
                                              const MultiplyAll& multiplyAll) {
  constexpr int kConsumerWarps = kConsumers * kWarpgroupThreads / kWarpLanes;
  // Of the 168 that a launch gives to each thread, those that copies do without go to the sums.
  constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
  if (threadIdx.x == 0) {
    for (int i = 0; i < Tile::stages; ++i) {
      initialise(memory.full[i], 1);
      initialise(memory.empty[i], kConsumerWarps);
    }
    publishBarriers();
  }
  if constexpr (mistake != Mistake::missingBarrier) __syncthreads();
  if (threadIdx.x < kWarpgroupThreads) {
    yieldRegisters<kProducerRegisters>();
    if (threadIdx.x == 0) copyAll();
  } else {
    claimRegisters<kConsumerRegisters>();
    multiplyAll(static_cast<int>(threadIdx.x) / kWarpgroupThreads - 1);
  }
}

/// The row of a tile, of a product's sums 4i and 4i + 1; that of 4i + 2 and 4i + 3 is eight further.
__device__ __forceinline__ int rowOfSums(int warpgroup) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroupThreads;
  return warpgroup * kWarpgroupRows + thread / kWarpLanes * 16 + thread % kWarpLanes / 4;
}

}  // namespace ocrnet::cuda::conv
