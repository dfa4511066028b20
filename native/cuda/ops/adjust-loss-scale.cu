#include "core/loss-scale.h"
#include "cuda/ops/sum-of-squares.h"
#include "cuda/ops/total.h"

namespace ocrnet::cuda {

namespace {

Choice chooseAdjustLossScale(const StepDescription& step, const Device&) {
  return {.scratchBytes = SumOfSquares(step.input(0)->elements()).bytes()};
}

__global__ void __launch_bounds__(kElementThreads)
    adjustLossScaleKernel(const double* squares, std::int64_t parts, std::int32_t growthInterval,
                          const float* lossScale, float* newLossScale, float* gradientScale, float* scale) {
  const double sum = totalOf(squares, parts);
  const bool finite = sum - sum == 0;  // neither infinite nor NaN
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
  return preparedStep([squares = SumOfSquares(step.input(0)->elements()),
                       interval = step.attributes<AdjustLossScaleAttributes>().growthInterval](
                          const StepMemory& memory, cudaStream_t stream) {
    auto* const sums = memory.scratchAs<double>();
    squares.enqueue(memory.in<float>(0), sums, stream);
    launch<adjustLossScaleKernel>({1, kElementThreads, sizeof(TotalMemory)}, stream, sums, squares.parts(),
                                  interval, memory.in<float>(1), memory.out<float>(0), memory.out<float>(1),
                                  memory.out<float>(2));
  });
}

}  // namespace

const Op adjustLossScaleOp{.choose = chooseAdjustLossScale, .prepare = prepareAdjustLossScale};

}  // namespace ocrnet::cuda
