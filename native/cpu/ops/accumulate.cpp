#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareAccumulate(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  return preparedStep([count = step.input(0)->elements(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const auto [keep, scale] = std::pair{memory.in<float>(2)[0], memory.in<float>(2)[1]};
    const WeightedSum sum{.total = keep == 0 ? nullptr : memory.in<float>(0),
                          .part = memory.in<float>(1),
                          .newTotal = memory.out<float>(0),
                          .keep = keep,
                          .scale = scale};
    parallel(threads, count, kElementGrain, [&](Range range, int) { kernels.weightedSum(sum, range); });
  });
}

}  // namespace

const Op accumulateOp{.choose = withoutScratch, .prepare = prepareAccumulate};

}  // namespace ocrnet::cpu
