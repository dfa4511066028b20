#include <algorithm>

#include "cuda/device/shared.h"
#include "cuda/ops/hard-pixels.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

static_assert(kByteValues == kElementThreads);

struct Histogram {
  unsigned bins[kByteValues];
  RankedPrefix prefix;
};

/// Of the byte behind the first `bytes`, among the numbers that begin like the k-th smallest.
__global__ void __launch_bounds__(kElementThreads) countBytesKernel(HardPixels hard, int bytes) {
  auto& shared = sharedMemory<Histogram>();
  shared.bins[threadIdx.x] = 0;
  if (threadIdx.x < kWarpLanes) {
    const RankedPrefix prefix = prefixAfter(hard, bytes);
    if (threadIdx.x == 0) {
      shared.prefix = prefix;
      if (bytes > 0 && blockIdx.x == 0) hard.prefixes[bytes - 1] = prefix;
    }
  }
  __syncthreads();
  const int shift = 8 * (kFloatBytes - 1 - bytes);
  const unsigned prefix = shared.prefix.bytes;
  const std::int64_t step = std::int64_t{gridDim.x} * kElementThreads;
  for (std::int64_t i = packIndex(); i < hard.count; i += step) {
    const float probability = hard.probabilities[i];
    if (!(probability >= 0)) continue;
    const unsigned bits = __float_as_uint(probability);
    // A shift by all bits would be undefined.
    if (bytes == 0 || bits >> shift >> 8 == prefix) atomicAdd(&shared.bins[bits >> shift & 0xff], 1u);
  }
  __syncthreads();
  const unsigned count = shared.bins[threadIdx.x];
  if (count > 0) atomicAdd(&hard.histograms[bytes * kByteValues + threadIdx.x], count);
}

}  // namespace

void countHardPixels(const HardPixels& hard, const Device& device, cudaStream_t stream) {
  constexpr std::int64_t kBlocksAtOnce = 8, kThreadPixels = 4;
  const std::int64_t blocks = divideUp(hard.count, kThreadPixels * kElementThreads);
  const LaunchShape shape{
      dim3(static_cast<unsigned>(std::min(blocks, kBlocksAtOnce * device.multiprocessors))), kElementThreads,
      sizeof(Histogram)};
  for (int bytes = 0; bytes < kFloatBytes; ++bytes) launch<countBytesKernel>(shape, stream, hard, bytes);
}

}  // namespace ocrnet::cuda
