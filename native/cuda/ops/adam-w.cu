#include "core/as-written.h"
#include "cuda/device/element.h"
#include "cuda/device/shared.h"
#include "cuda/ops/optimiser.h"

namespace ocrnet::cuda {

namespace {

struct AdamW {
  const float *parameters, *gradients, *firstMoment, *secondMoment;
  float *newParameters, *newFirstMoment, *newSecondMoment;  // new moments may be null
  const float *schedule, *gradientScale;                    // gradientScale may be null, for 1
  double learningRateScale, beta1, beta2, weightDecay;
  float epsilon;
};

/// What is the same for all elements: first = beta1 · first + part1 · g, second = beta2 · second + part2 ·
/// g², parameters = kept · parameters − rate · first / (rootScale · √second + epsilon).
struct Factors {
  float gradientScale, kept, beta1, beta2, part1, part2, rate, rootScale;
};

__device__ Factors factorsOf(const AdamW& a) {
  const double rate = a.learningRateScale * static_cast<double>(a.schedule[0]);
  const auto time = static_cast<double>(a.schedule[1]);
  return {.gradientScale = a.gradientScale ? *a.gradientScale : 1,
          .kept = static_cast<float>(1 - rate * a.weightDecay),
          .beta1 = static_cast<float>(a.beta1),
          .beta2 = static_cast<float>(a.beta2),
          .part1 = static_cast<float>(1 - a.beta1),
          .part2 = static_cast<float>(1 - a.beta2),
          .rate = static_cast<float>(rate / (1 - pow(a.beta1, time))),
          .rootScale = static_cast<float>(1 / sqrt(1 - pow(a.beta2, time)))};
}

/// Seven floats of memory an element.
template <int width>
__global__ void __launch_bounds__(kElementThreads) adamWKernel(AdamW a, FlatPacks packs) {
  Factors& shared = sharedMemory<Factors>();
  if (threadIdx.x == 0) shared = factorsOf(a);
  __syncthreads();
  const Factors f = shared;
  if (f.gradientScale == 0) return;  // what is to stay was kept
  eachFlatPack<width>(packs, [&](std::int64_t i, auto count) {
    float parameters[count], gradients[count], first[count], second[count];
    loadPack<count>(a.parameters + i, parameters);
    loadPack<count>(a.gradients + i, gradients);
    loadPack<count>(a.firstMoment + i, first);
    loadPack<count>(a.secondMoment + i, second);
#pragma unroll
    for (int k = 0; k < count; ++k) {
      const float g = gradients[k] * f.gradientScale;
      first[k] = fmaf(f.beta1, first[k], f.part1 * g);
      second[k] = fmaf(f.beta2, second[k], f.part2 * (g * g));
      const float step = f.rate * first[k] / fmaf(sqrtf(second[k]), f.rootScale, a.epsilon);
      parameters[k] = f.kept * parameters[k] - step;
    }
    if (a.newFirstMoment) storePack<count>(a.newFirstMoment + i, first);
    if (a.newSecondMoment) storePack<count>(a.newSecondMoment + i, second);
    storePack<count>(a.newParameters + i, parameters);
  });
}

std::unique_ptr<PreparedStep> prepareAdamW(const StepDescription& step, const Device& device, Parameters&) {
  requireChoice(step, Choice{});
  return preparedStep([a = step.attributes<AdamWAttributes>(), count = step.input(0)->elements(), device](
                          const StepMemory& memory, cudaStream_t stream) {
    keepRest(memory, 0, 0, count, stream);
    keepRest(memory, 2, 1, count, stream);
    keepRest(memory, 3, 2, count, stream);
    const AdamW adam{.parameters = memory.in<float>(0),
                     .gradients = memory.in<float>(1),
                     .firstMoment = memory.in<float>(2),
                     .secondMoment = memory.in<float>(3),
                     .newParameters = memory.out<float>(0),
                     .newFirstMoment = memory.out<float>(1),
                     .newSecondMoment = memory.out<float>(2),
                     .schedule = memory.in<float>(4),
                     .gradientScale = memory.in<float>(5),
                     .learningRateScale = static_cast<double>(a.learningRateScale),
                     .beta1 = asWritten(a.beta1),
                     .beta2 = asWritten(a.beta2),
                     .weightDecay = static_cast<double>(a.weightDecay),
                     .epsilon = a.epsilon};
    withFlatPacks(a.first, a.count,
                  {adam.parameters, adam.gradients, adam.firstMoment, adam.secondMoment, adam.newParameters,
                   adam.newFirstMoment, adam.newSecondMoment},
                  [&](auto width, const FlatPacks& packs) {
                    LaunchShape shape = packs.shape(width, device);
                    shape.sharedBytes = sizeof(Factors);
                    launch<adamWKernel<width>>(shape, stream, adam, packs);
                  });
  });
}

}  // namespace

const Op adamWOp{.choose = withoutScratch, .prepare = prepareAdamW};

}  // namespace ocrnet::cuda
