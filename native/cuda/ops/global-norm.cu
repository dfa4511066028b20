#include "cuda/device/element.h"
#include "cuda/ops/total.h"

namespace ocrnet::cuda {

namespace {

/// The last pack of a vector may be a part of one.
constexpr int kNormPack = 4;

std::int64_t packsOf(const StepDescription& step) { return divideUp(step.input(0)->elements(), kNormPack); }

Choice chooseGlobalNorm(const StepDescription& step, const Device&) {
  return {.scratchBytes = totalBlocks(packsOf(step)) * sizeof(double)};
}

/// In float64, which does not overflow where the squares of float32 do.
template <bool aligned>
__global__ void __launch_bounds__(kElementThreads)
    sumOfSquaresKernel(const float* x, std::int64_t count, std::int64_t packs, double* sums) {
  sumBlock(packs, sums, [=](std::int64_t pack) {
    const std::int64_t first = pack * kNormPack;
    float values[kNormPack];
    if (aligned && first + kNormPack <= count) {
      loadPack<kNormPack>(x + first, values);
    } else {
#pragma unroll
      for (int k = 0; k < kNormPack; ++k) values[k] = first + k < count ? x[first + k] : 0;
    }
    double sum = 0;
#pragma unroll
    for (int k = 0; k < kNormPack; ++k)
      sum += static_cast<double>(values[k]) * static_cast<double>(values[k]);
    return sum;
  });
}

__global__ void __launch_bounds__(kElementThreads)
    normKernel(const double* sums, std::int64_t count, float maximum, const float* gradientScale, float* norm,
               float* factor) {
  const double scale = gradientScale ? static_cast<double>(*gradientScale) : 1;
  const double total = sqrt(totalOf(sums, count)) * (scale == 0 ? 1 : scale);
  if (threadIdx.x != 0) return;
  const double clip = static_cast<double>(maximum) / (total + 1e-6);
  *norm = static_cast<float>(total);
  // A NaN stays one, unless the step is skipped for it.
  if (factor) {
    *factor = static_cast<float>(scale == 0 || maximum == 0 || clip > 1 ? scale : scale * clip);
  }
}

std::unique_ptr<PreparedStep> prepareGlobalNorm(const StepDescription& step, const Device& device,
                                                Parameters&) {
  requireChoice(step, chooseGlobalNorm(step, device));
  return preparedStep([count = step.input(0)->elements(), packs = packsOf(step),
                       maximum = step.attributes<GlobalNormAttributes>().maximum](const StepMemory& memory,
                                                                                  cudaStream_t stream) {
    const float* const x = memory.in<float>(0);
    auto* const sums = memory.scratchAs<double>();
    const LaunchShape shape = totalShape(packs);
    if (reinterpret_cast<std::uintptr_t>(x) % sizeof(float4) == 0) {
      launch<sumOfSquaresKernel<true>>(shape, stream, x, count, packs, sums);
    } else {
      launch<sumOfSquaresKernel<false>>(shape, stream, x, count, packs, sums);
    }
    launch<normKernel>({1, kElementThreads, sizeof(TotalMemory)}, stream, sums, totalBlocks(packs), maximum,
                       memory.in<float>(1), memory.out<float>(0), memory.out<float>(1));
  });
}

}  // namespace

const Op globalNormOp{.choose = chooseGlobalNorm, .prepare = prepareGlobalNorm};

}  // namespace ocrnet::cuda
