#include "core/as-written.h"
#include "cuda/ops/optimiser.h"
#include "cuda/ops/weighted-sum.h"

namespace ocrnet::cuda {

namespace {

struct Decay {
  double decay;
  bool warmUp;

  __device__ double at(double time) const { return warmUp ? fmin(decay, (1 + time) / (10 + time)) : decay; }
};

template <int width>
__global__ void __launch_bounds__(kElementThreads)
    movingAverageKernel(WeightedSum sum, const float* schedule, const float* gradientScale, Decay decay,
                        FlatPacks packs) {
  if (gradientScale && *gradientScale == 0) return;  // what is to stay was kept
  const double kept = decay.at(static_cast<double>(schedule[1]));
  addWeighted<width>(sum, static_cast<float>(kept), static_cast<float>(1 - kept), packs);
}

std::unique_ptr<PreparedStep> prepareMovingAverage(const StepDescription& step, const Device& device,
                                                   Parameters&) {
  requireChoice(step, Choice{});
  const auto& [decay, warmUp] = step.attributes<MovingAverageAttributes>();
  return preparedStep([decay = Decay{asWritten(decay), warmUp}, count = step.input(0)->elements(), device](
                          const StepMemory& memory, cudaStream_t stream) {
    keepRest(memory, 0, 0, count, stream);
    const WeightedSum sum{memory.in<float>(0), memory.in<float>(1), memory.out<float>(0)};
    withFlatPacks(0, count, {sum.total, sum.part, sum.newTotal}, [&](auto width, const FlatPacks& packs) {
      launch<movingAverageKernel<width>>(packs.shape(width, device), stream, sum, memory.in<float>(2),
                                         memory.in<float>(3), decay, packs);
    });
  });
}

}  // namespace

const Op movingAverageOp{.choose = withoutScratch, .prepare = prepareMovingAverage};

}  // namespace ocrnet::cuda
