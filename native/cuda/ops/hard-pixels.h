#pragma once

// Which pixels are hard: those whose label's probability is at most the larger of a threshold and the k-th
// smallest of all. That one is found exactly, by a byte of its bits at a time: the bits of floats that are
// not negative are in the floats' order, and counts are whole numbers, which come out the same in any order.

#include "cuda/device/reduce.h"
#include "cuda/op.h"

namespace ocrnet::cuda {

inline constexpr int kByteValues = 256, kFloatBytes = 4;

/// What is known of the k-th smallest number when some of its upper bytes are: these, and that it is the
/// `rank`-th smallest of those that begin so. A rank of 0: there is none.
struct RankedPrefix {
  unsigned bytes, rank;
};

struct HardPixels {
  float threshold;
  unsigned minimum;            // k
  std::int64_t count;          // of pixels
  const float* probabilities;  // of each pixel's label; negative where it is ignored
  unsigned* histograms;        // (kFloatBytes, kByteValues), zeros at first
  RankedPrefix* prefixes;      // (kFloatBytes), after each byte but the last
};

/// Counts the bytes of the probabilities, four passes in all.
void countHardPixels(const HardPixels& hard, const Device& device, cudaStream_t stream);

/// The prefix with one byte more: that of the histogram's bin in which the number lies. By all lanes of a
/// warp.
__device__ __forceinline__ RankedPrefix lengthened(const RankedPrefix& prefix, const unsigned* histogram) {
  constexpr int kBins = kByteValues / kWarpLanes;
  const int lane = threadIdx.x % kWarpLanes;
  unsigned own = 0;
#pragma unroll
  for (int i = 0; i < kBins; ++i) own += histogram[lane * kBins + i];
  unsigned upTo = own;
#pragma unroll
  for (int distance = 1; distance < kWarpLanes; distance *= 2) {
    const unsigned before = __shfl_up_sync(kAllLanes, upTo, distance);
    if (lane >= distance) upTo += before;
  }
  const bool here = upTo - own < prefix.rank && prefix.rank <= upTo;
  RankedPrefix result{0, 0};
  if (here) {
    unsigned bin = lane * kBins, rank = prefix.rank - (upTo - own);
    while (rank > histogram[bin]) rank -= histogram[bin++];
    result = {prefix.bytes << 8 | bin, rank};
  }
  // One lane at most has it.
  return {warpReduce(result.bytes, [](unsigned a, unsigned b) { return a | b; }),
          warpReduce(result.rank, [](unsigned a, unsigned b) { return a | b; })};
}

/// The prefix after `bytes` bytes, one more than those before which it was found last. By all lanes of a
/// warp.
__device__ __forceinline__ RankedPrefix prefixAfter(const HardPixels& hard, int bytes) {
  if (bytes == 0) return {0, 0};
  RankedPrefix before;
  if (bytes > 1) {
    before = hard.prefixes[bytes - 2];
  } else {
    unsigned known = 0;
    for (int i = threadIdx.x % kWarpLanes; i < kByteValues; i += kWarpLanes) known += hard.histograms[i];
    known = warpSum(known);
    before = {0, known < hard.minimum ? known : hard.minimum};
  }
  return lengthened(before, hard.histograms + (bytes - 1) * kByteValues);
}

/// The highest probability that counts, when all bytes were counted. By all lanes of a warp.
__device__ __forceinline__ float hardThreshold(const HardPixels& hard) {
  const RankedPrefix found = prefixAfter(hard, kFloatBytes);
  const float kth = __uint_as_float(found.bytes);
  return found.rank > 0 && kth > hard.threshold ? kth : hard.threshold;
}

}  // namespace ocrnet::cuda
