#pragma once

// How a block works through the depth of a product: it copies the steps two ahead of the one that it
// multiplies.

#include "cuda/conv/tile.h"
#include "cuda/device/async-copy.h"

namespace ocrnet::cuda::conv {

/// copy(step, stage) starts the copies of a step into one of kStages places, multiply(stage) adds what lies
/// there.
template <Mistake mistake, class Copy, class Multiply>
__device__ __forceinline__ void runSteps(int steps, const Copy& copy, const Multiply& multiply) {
  const auto start = [&](int step) {
    if (step < steps) copy(step, step % kStages);
    commitCopies();
  };
  constexpr int kAhead = kStages - (mistake == Mistake::earlyReuse ? 0 : 1);
  for (int step = 0; step < kAhead; ++step) start(step);
  for (int step = 0; step < steps; ++step) {
    awaitCopies<kAhead - (mistake == Mistake::lateWait ? 0 : 1)>();
    // All threads' copies of this step have landed, and nobody reads the step whose place the next ones take.
    if constexpr (mistake != Mistake::missingBarrier) __syncthreads();
    start(step + kAhead);
    multiply(step % kStages);
  }
  awaitCopies<0>();
}

}  // namespace ocrnet::cuda::conv
