#include "cuda/ops/weighted-sum.h"

namespace ocrnet::cuda {

namespace {

template <int width>
__global__ void __launch_bounds__(kElementThreads)
    accumulateKernel(WeightedSum sum, const float* weights, FlatPacks packs) {
  addWeighted<width>(sum, weights[0], weights[1], packs);
}

std::unique_ptr<PreparedStep> prepareAccumulate(const StepDescription& step, const Device& device,
                                                Parameters&) {
  requireChoice(step, Choice{});
  return preparedStep([count = step.input(0)->elements(), device](const StepMemory& memory,
                                                                  cudaStream_t stream) {
    const WeightedSum sum{memory.in<float>(0), memory.in<float>(1), memory.out<float>(0)};
    withFlatPacks(0, count, {sum.total, sum.part, sum.newTotal}, [&](auto width, const FlatPacks& packs) {
      launch<accumulateKernel<width>>(packs.shape(width, device), stream, sum, memory.in<float>(2), packs);
    });
  });
}

}  // namespace

const Op accumulateOp{.choose = withoutScratch, .prepare = prepareAccumulate};

}  // namespace ocrnet::cuda
