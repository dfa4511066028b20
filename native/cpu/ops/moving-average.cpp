#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareMovingAverage(const StepDescription& step, const Device& device,
                                                   Weights&) {
  requireChoice(step, Choice{});
  const auto& [decay, warmUp] = step.attributes<MovingAverageAttributes>();
  return preparedStep([written = asWritten(decay), warmUp = warmUp, count = step.input(0)->elements(),
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    keepRest(memory, 0, 0, count);
    if (scalarOr1(memory, 3) == 0) return;
    const auto time = static_cast<double>(memory.in<float>(2)[1]);
    const double kept = warmUp ? std::min(written, (1 + time) / (10 + time)) : written;
    const WeightedSum sum{.total = memory.in<float>(0),
                          .part = memory.in<float>(1),
                          .newTotal = memory.out<float>(0),
                          .keep = static_cast<float>(kept),
                          .scale = static_cast<float>(1 - kept)};
    parallel(threads, count, kElementGrain, [&](Range range, int) { kernels.weightedSum(sum, range); });
  });
}

}  // namespace

const Op movingAverageOp{.choose = withoutScratch, .prepare = prepareMovingAverage};

}  // namespace ocrnet::cpu
