#include <cmath>

#include "cuda/ops/sum-of-squares.h"
#include "cuda/ops/total.h"

namespace ocrnet::cuda {

namespace {

Choice chooseGlobalNorm(const StepDescription& step, const Device&) {
  return {.scratchBytes = SumOfSquares(step.input(0)->elements()).bytes()};
}

__global__ void __launch_bounds__(kElementThreads)
    normKernel(const double* sums, std::int64_t count, float maximum, const float* gradientScale, float* norm,
               float* factor) {
  const double scale = gradientScale ? static_cast<double>(*gradientScale) : 1;
  const double total = sqrt(totalOf(sums, count)) * (scale == 0 ? 1 : scale);
  if (threadIdx.x != 0) return;
  // A factor of 0 would skip the step, and nobody would know that gradients overflow.
  const double clip = total - total == 0 ? static_cast<double>(maximum) / (total + 1e-6) : NAN;
  *norm = static_cast<float>(total);
  if (factor) {
    *factor = static_cast<float>(scale == 0 || maximum == 0 || clip > 1 ? scale : scale * clip);
  }
}

std::unique_ptr<PreparedStep> prepareGlobalNorm(const StepDescription& step, const Device& device,
                                                Parameters&) {
  requireChoice(step, chooseGlobalNorm(step, device));
  return preparedStep([squares = SumOfSquares(step.input(0)->elements()),
                       maximum = step.attributes<GlobalNormAttributes>().maximum](const StepMemory& memory,
                                                                                  cudaStream_t stream) {
    auto* const sums = memory.scratchAs<double>();
    squares.enqueue(memory.in<float>(0), sums, stream);
    launch<normKernel>({1, kElementThreads, sizeof(TotalMemory)}, stream, sums, squares.parts(), maximum,
                       memory.in<float>(1), memory.out<float>(0), memory.out<float>(1));
  });
}

}  // namespace

const Op globalNormOp{.choose = chooseGlobalNorm, .prepare = prepareGlobalNorm};

}  // namespace ocrnet::cuda
