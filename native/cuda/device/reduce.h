#pragma once

// Sums and maxima over the lanes of a warp and the threads of a block, always in the same order.

#include <cuda_runtime.h>

namespace ocrnet::cuda {

inline constexpr int kWarpLanes = 32;
inline constexpr unsigned kAllLanes = 0xffffffff;

/// On every lane, combine(a, b) over all lanes.
template <class T, class Combine>
__device__ __forceinline__ T warpReduce(T value, const Combine& combine) {
#pragma unroll
  for (int distance = kWarpLanes / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

template <class T>
__device__ __forceinline__ T warpSum(T value) {
  return warpReduce(value, [](T a, T b) { return a + b; });
}

__device__ __forceinline__ float warpMaximum(float value) {
  return warpReduce(value, [](float a, float b) { return fmaxf(a, b); });
}

/// Shared memory of a block's reduction.
template <class T, int threads>
struct ReductionMemory {
  T ofWarps[threads / kWarpLanes];
};

/// On every thread, the sum over the block's `threads`, a multiple of the warp's. All of them must come. The
/// memory may be used again at once.
template <int threads, class T>
__device__ __forceinline__ T blockSum(T value, ReductionMemory<T, threads>& memory) {
  value = warpSum(value);
  if (threadIdx.x % kWarpLanes == 0) memory.ofWarps[threadIdx.x / kWarpLanes] = value;
  __syncthreads();
  T sum{};
#pragma unroll
  for (int i = 0; i < threads / kWarpLanes; ++i) sum += memory.ofWarps[i];
  __syncthreads();
  return sum;
}

}  // namespace ocrnet::cuda
