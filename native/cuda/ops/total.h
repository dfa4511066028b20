#pragma once

// Sums in float64 over everything there is: each block of a first kernel leaves its own, and one block adds
// these. Which elements a block has depends on their number alone, so that the bits do too.

#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

using TotalMemory = ReductionMemory<double, kElementThreads>;

/// On every thread of a block, the total of what the blocks left. All threads must come.
__device__ __forceinline__ double totalOf(const double* sums, std::int64_t count) {
  double own = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kElementThreads) own += sums[i];
  return blockSum(own, sharedMemory<TotalMemory>());
}

/// Packs of one block, kTotalPacks for each thread.
inline constexpr std::int64_t kTotalPacks = 16, kTotalBlockPacks = kTotalPacks * kElementThreads;

inline std::int64_t totalBlocks(std::int64_t packs) { return divideUp(packs, kTotalBlockPacks); }
inline LaunchShape totalShape(std::int64_t packs) {
  return {dim3(static_cast<unsigned>(totalBlocks(packs))), kElementThreads, sizeof(TotalMemory)};
}

/// Leaves in sums[block] the sum of term(pack) over the block's packs.
template <class Term>
__device__ __forceinline__ void sumBlock(std::int64_t packs, double* sums, const Term& term) {
  double own = 0;
  const std::int64_t first = blockIdx.x * kTotalBlockPacks + threadIdx.x;
#pragma unroll 4
  for (std::int64_t k = 0; k < kTotalPacks; ++k) {
    const std::int64_t pack = first + k * kElementThreads;
    if (pack < packs) own += term(pack);
  }
  own = blockSum(own, sharedMemory<TotalMemory>());
  if (threadIdx.x == 0) sums[blockIdx.x] = own;
}

}  // namespace ocrnet::cuda
