#include <algorithm>
#include <cmath>

#include "core/loss-scale.h"
#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareAdjustLossScale(const StepDescription& step, const Device& device,
                                                     Weights&) {
  requireChoice(step, Choice{});
  return preparedStep([count = step.input(0)->elements(),
                       interval = step.attributes<AdjustLossScaleAttributes>().growthInterval,
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    std::vector<char> finite(threads, 1);
    parallel(threads, count, kElementGrain, [&](Range range, int thread) {
      // In float64 squares of float32 do not overflow.
      if (!std::isfinite(kernels.sumOfSquares(memory.in<float>(0), range))) finite[thread] = 0;
    });
    const bool allFinite = std::find(finite.begin(), finite.end(), 0) == finite.end();
    const float scale = memory.in<float>(1)[0], steps = memory.in<float>(1)[1];
    const LossScale next = LossScale{scale, steps}.after(allFinite, interval);
    if (float* const out = memory.out<float>(0)) {
      out[0] = next.scale;
      out[1] = next.steps;
    }
    if (float* const out = memory.out<float>(1)) out[0] = allFinite ? 1 / scale : 0;
    if (float* const out = memory.out<float>(2)) out[0] = scale;
  });
}

}  // namespace

const Op adjustLossScaleOp{.choose = withoutScratch, .prepare = prepareAdjustLossScale};

}  // namespace ocrnet::cpu
