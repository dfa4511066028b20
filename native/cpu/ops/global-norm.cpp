#include <cmath>

#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

/// Each block has a sum of its own, in float64: neither their number nor their order depends on the threads.
constexpr std::int64_t kBlockElements = 16384;

std::int64_t blocksOf(const StepDescription& step) {
  return divideUp(step.input(0)->elements(), kBlockElements);
}

Choice chooseGlobalNorm(const StepDescription& step, const Device&) {
  return {.scratchBytes = blocksOf(step) * sizeof(double)};
}

std::unique_ptr<PreparedStep> prepareGlobalNorm(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, chooseGlobalNorm(step, device));
  return preparedStep([count = step.input(0)->elements(), blocks = blocksOf(step),
                       maximum = step.attributes<GlobalNormAttributes>().maximum, threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    auto* const sums = reinterpret_cast<double*>(memory.scratch);
    parallel(threads, blocks, 1, [&](Range range, int) {
      for (std::int64_t i = range.first; i < range.end; ++i) {
        const std::int64_t first = i * kBlockElements;
        sums[i] = kernels.sumOfSquares(memory.in<float>(0), {first, std::min(first + kBlockElements, count)});
      }
    });
    double sum = 0;
    for (std::int64_t i = 0; i < blocks; ++i) sum += sums[i];
    const auto scale = static_cast<double>(scalarOr1(memory, 1));
    const double norm = std::sqrt(sum) * (scale == 0 ? 1 : scale);
    // A factor of 0 would skip the step, and nobody would know that gradients overflow.
    const double factor = std::isfinite(norm) ? static_cast<double>(maximum) / (norm + 1e-6) : NAN;
    memory.out<float>(0)[0] = static_cast<float>(norm);
    if (float* const out = memory.out<float>(1)) {
      out[0] = static_cast<float>(scale == 0 || maximum == 0 || factor > 1 ? scale : scale * factor);
    }
  });
}

}  // namespace

const Op globalNormOp{.choose = chooseGlobalNorm, .prepare = prepareGlobalNorm};

}  // namespace ocrnet::cpu
