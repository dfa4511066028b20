#include "cuda/device/element.h"
#include "cuda/ops/optimiser.h"

namespace ocrnet::cuda {

namespace {

struct Sgd {
  const float *parameters, *gradients, *velocity;
  float *newParameters, *newVelocity;     // newVelocity may be null
  const float *schedule, *gradientScale;  // gradientScale may be null, for 1
  float learningRateScale, momentum, weightDecay;
  bool nesterov;
};

/// See lib/ops/sgd.ts. Five floats of memory an element.
template <int width>
__global__ void __launch_bounds__(kElementThreads) sgdKernel(Sgd s, FlatPacks packs) {
  const float rate = s.learningRateScale * s.schedule[0];
  const float gradientScale = s.gradientScale ? *s.gradientScale : 1;
  if (gradientScale == 0) return;  // what is to stay was kept
  eachFlatPack<width>(packs, [&](std::int64_t i, auto count) {
    float parameters[count], gradients[count], velocity[count];
    loadPack<count>(s.parameters + i, parameters);
    loadPack<count>(s.gradients + i, gradients);
    loadPack<count>(s.velocity + i, velocity);
#pragma unroll
    for (int k = 0; k < count; ++k) {
      const float g = fmaf(gradients[k], gradientScale, s.weightDecay * parameters[k]);
      velocity[k] = fmaf(s.momentum, velocity[k], g);
      parameters[k] -= rate * (s.nesterov ? fmaf(s.momentum, velocity[k], g) : velocity[k]);
    }
    if (s.newVelocity) storePack<count>(s.newVelocity + i, velocity);
    storePack<count>(s.newParameters + i, parameters);
  });
}

std::unique_ptr<PreparedStep> prepareSgd(const StepDescription& step, const Device& device, Parameters&) {
  requireChoice(step, Choice{});
  return preparedStep([a = step.attributes<SgdAttributes>(), count = step.input(0)->elements(), device](
                          const StepMemory& memory, cudaStream_t stream) {
    keepRest(memory, 0, 0, count, stream);
    keepRest(memory, 2, 1, count, stream);
    const Sgd sgd{.parameters = memory.in<float>(0),
                  .gradients = memory.in<float>(1),
                  .velocity = memory.in<float>(2),
                  .newParameters = memory.out<float>(0),
                  .newVelocity = memory.out<float>(1),
                  .schedule = memory.in<float>(3),
                  .gradientScale = memory.in<float>(4),
                  .learningRateScale = a.learningRateScale,
                  .momentum = a.momentum,
                  .weightDecay = a.weightDecay,
                  .nesterov = a.nesterov};
    withFlatPacks(a.first, a.count,
                  {sgd.parameters, sgd.gradients, sgd.velocity, sgd.newParameters, sgd.newVelocity},
                  [&](auto width, const FlatPacks& packs) {
                    launch<sgdKernel<width>>(packs.shape(width, device), stream, sgd, packs);
                  });
  });
}

}  // namespace

const Op sgdOp{.choose = withoutScratch, .prepare = prepareSgd};

}  // namespace ocrnet::cuda
