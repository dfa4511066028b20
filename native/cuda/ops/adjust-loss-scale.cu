#include "core/loss-scale.h"
#include "cuda/device/element.h"
#include "cuda/ops/total.h"

namespace ocrnet::cuda {

namespace {

/// The last pack of a vector may be a part of one.
constexpr int kGradientPack = 4;

std::int64_t gradientPacks(const StepDescription& step) {
  return divideUp(step.input(0)->elements(), kGradientPack);
}

Choice chooseAdjustLossScale(const StepDescription& step, const Device&) {
  return {.scratchBytes = totalBlocks(gradientPacks(step)) * sizeof(double)};
}

/// How many are infinite or NaN. Bound by reading them.
template <bool aligned>
__global__ void __launch_bounds__(kElementThreads)
    countOverflowsKernel(const float* gradients, std::int64_t count, std::int64_t packs, double* counts) {
  sumBlock(packs, counts, [=](std::int64_t pack) {
    const std::int64_t first = pack * kGradientPack;
    float values[kGradientPack];
    if (aligned && first + kGradientPack <= count) {
      loadPack<kGradientPack>(gradients + first, values);
    } else {
#pragma unroll
      for (int k = 0; k < kGradientPack; ++k) values[k] = first + k < count ? gradients[first + k] : 0;
    }
    int overflows = 0;
#pragma unroll
    for (int k = 0; k < kGradientPack; ++k) overflows += values[k] - values[k] != 0;
    return static_cast<double>(overflows);
  });
}

__global__ void __launch_bounds__(kElementThreads)
    adjustLossScaleKernel(const double* counts, std::int64_t blocks, std::int32_t growthInterval,
                          const float* lossScale, float* newLossScale, float* gradientScale, float* scale) {
  const bool finite = totalOf(counts, blocks) == 0;
  if (threadIdx.x != 0) return;
  const LossScale now{lossScale[0], lossScale[1]}, next = now.after(finite, growthInterval);
  if (gradientScale) *gradientScale = finite ? 1 / now.scale : 0;
  if (scale) *scale = now.scale;
  if (!newLossScale) return;
  newLossScale[0] = next.scale;
  newLossScale[1] = next.steps;
}

std::unique_ptr<PreparedStep> prepareAdjustLossScale(const StepDescription& step, const Device& device,
                                                     Parameters&) {
  requireChoice(step, chooseAdjustLossScale(step, device));
  return preparedStep([count = step.input(0)->elements(), packs = gradientPacks(step),
                       interval = step.attributes<AdjustLossScaleAttributes>().growthInterval](
                          const StepMemory& memory, cudaStream_t stream) {
    const float* const gradients = memory.in<float>(0);
    auto* const counts = memory.scratchAs<double>();
    const LaunchShape shape = totalShape(packs);
    if (reinterpret_cast<std::uintptr_t>(gradients) % sizeof(float4) == 0) {
      launch<countOverflowsKernel<true>>(shape, stream, gradients, count, packs, counts);
    } else {
      launch<countOverflowsKernel<false>>(shape, stream, gradients, count, packs, counts);
    }
    launch<adjustLossScaleKernel>({1, kElementThreads, sizeof(TotalMemory)}, stream, counts,
                                  totalBlocks(packs), interval, memory.in<float>(1), memory.out<float>(0),
                                  memory.out<float>(1), memory.out<float>(2));
  });
}

}  // namespace

const Op adjustLossScaleOp{.choose = chooseAdjustLossScale, .prepare = prepareAdjustLossScale};

}  // namespace ocrnet::cuda
