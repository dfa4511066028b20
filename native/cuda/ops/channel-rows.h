#pragma once

// Softmax over the channels: a row of channels belongs to a warp or, where it is long, to a block, which
// reads it again for each pass, from the nearest cache.

#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

inline constexpr int kRowBlockThreads = 256;

/// The threads of a row: a warp's or a block's.
template <int threads>
struct RowThreads {
  static_assert(threads == kWarpLanes || threads == kRowBlockThreads);
  static constexpr int kRows = kRowBlockThreads / threads;

  __device__ static std::int64_t row() {
    return static_cast<std::int64_t>(blockIdx.x) * kRows + threadIdx.x / threads;
  }
  /// body(channel) for the thread's channels.
  template <class Body>
  __device__ __forceinline__ static void each(std::int64_t channels, const Body& body) {
    for (std::int64_t c = threadIdx.x % threads; c < channels; c += threads) body(c);
  }
  /// combine(a, b) over the threads of the row, on each of them.
  template <class Combine>
  __device__ __forceinline__ static float reduce(float value, const Combine& combine) {
    value = warpReduce(value, combine);
    if constexpr (threads > kWarpLanes) {
      auto& memory = sharedMemory<ReductionMemory<float, threads>>();
      if (threadIdx.x % kWarpLanes == 0) memory.ofWarps[threadIdx.x / kWarpLanes] = value;
      __syncthreads();
      value = memory.ofWarps[0];
      for (int i = 1; i < threads / kWarpLanes; ++i) value = combine(value, memory.ofWarps[i]);
      __syncthreads();
    }
    return value;
  }
  __device__ __forceinline__ static float sum(float value) {
    return reduce(value, [](float a, float b) { return a + b; });
  }
  __device__ __forceinline__ static float maximum(float value) {
    return reduce(value, [](float a, float b) { return fmaxf(a, b); });
  }
};

/// body(RowThreads, launch shape) for so many rows.
template <class Body>
void withRowThreads(std::int64_t rows, std::int64_t channels, const Body& body) {
  constexpr std::int64_t kWarpChannels = 1024;
  const auto start = [&](auto threads) {
    const auto blocks = static_cast<unsigned>(divideUp(rows, std::int64_t{decltype(threads)::kRows}));
    body(threads, {dim3(blocks), kRowBlockThreads, sizeof(ReductionMemory<float, kRowBlockThreads>)});
  };
  if (channels <= kWarpChannels) return start(RowThreads<kWarpLanes>{});
  start(RowThreads<kRowBlockThreads>{});
}

}  // namespace ocrnet::cuda
