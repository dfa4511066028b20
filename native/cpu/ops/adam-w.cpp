#include <cmath>

#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareAdamW(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  return preparedStep([a = step.attributes<AdamWAttributes>(), count = step.input(0)->elements(),
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    keepRest(memory, 0, 0, count);
    keepRest(memory, 2, 1, count);
    keepRest(memory, 3, 2, count);
    if (scalarOr1(memory, 5) == 0) return;
    const float* const schedule = memory.in<float>(4);
    const double beta1 = asWritten(a.beta1), beta2 = asWritten(a.beta2);
    const auto time = static_cast<double>(schedule[1]);
    const double rate = static_cast<double>(a.learningRateScale) * static_cast<double>(schedule[0]);
    const AdamW adam{.parameters = memory.in<float>(0),
                     .gradients = memory.in<float>(1),
                     .firstMoment = memory.in<float>(2),
                     .secondMoment = memory.in<float>(3),
                     .newParameters = memory.out<float>(0),
                     .newFirstMoment = memory.out<float>(1),
                     .newSecondMoment = memory.out<float>(2),
                     .gradientScale = scalarOr1(memory, 5),
                     .kept = static_cast<float>(1 - rate * static_cast<double>(a.weightDecay)),
                     .beta1 = static_cast<float>(beta1),
                     .beta2 = static_cast<float>(beta2),
                     .part1 = static_cast<float>(1 - beta1),
                     .part2 = static_cast<float>(1 - beta2),
                     .rate = static_cast<float>(rate / (1 - std::pow(beta1, time))),
                     .rootScale = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, time))),
                     .epsilon = a.epsilon};
    parallel(threads, a.count, kElementGrain, [&](Range range, int) {
      kernels.adamW(adam, {a.first + range.first, a.first + range.end});
    });
  });
}

}  // namespace

const Op adamWOp{.choose = withoutScratch, .prepare = prepareAdamW};

}  // namespace ocrnet::cpu
