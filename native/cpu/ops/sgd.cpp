#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareSgd(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  return preparedStep([a = step.attributes<SgdAttributes>(), count = step.input(0)->elements(),
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    keepRest(memory, 0, 0, count);
    keepRest(memory, 2, 1, count);
    if (scalarOr1(memory, 4) == 0) return;
    const Sgd sgd{.parameters = memory.in<float>(0),
                  .gradients = memory.in<float>(1),
                  .velocity = memory.in<float>(2),
                  .newParameters = memory.out<float>(0),
                  .newVelocity = memory.out<float>(1),
                  .gradientScale = scalarOr1(memory, 4),
                  .weightDecay = a.weightDecay,
                  .momentum = a.momentum,
                  .rate = a.learningRateScale * memory.in<float>(3)[0],
                  .nesterov = a.nesterov};
    parallel(threads, a.count, kElementGrain, [&](Range range, int) {
      kernels.sgd(sgd, {a.first + range.first, a.first + range.end});
    });
  });
}

}  // namespace

const Op sgdOp{.choose = withoutScratch, .prepare = prepareSgd};

}  // namespace ocrnet::cpu
