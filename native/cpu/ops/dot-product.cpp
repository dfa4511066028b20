// Each block of pixels has a sum of its own, in float64: neither their number nor their order depends on the
// threads.

#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

struct Blocks {
  std::int64_t pixels, blockPixels;

  std::int64_t count() const { return divideUp(pixels, blockPixels); }
  Range operator[](std::int64_t block) const {
    return {block * blockPixels, std::min((block + 1) * blockPixels, pixels)};
  }
};

Blocks blocksOf(const TensorInfo& a) { return {a.pixels(), pixelGrain(a.channels())}; }

Choice chooseDotProduct(const StepDescription& step, const Device&) {
  return {.scratchBytes = blocksOf(*step.input(0)).count() * sizeof(double)};
}

std::unique_ptr<PreparedStep> prepareDotProduct(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, chooseDotProduct(step, device));
  const TensorInfo& a = *step.input(0);
  const DotProduct product{
      .type = a.dataType, .channels = a.channels(), .a = sourceOf(&a), .b = sourceOf(step.input(1))};
  return preparedStep([product, blocks = blocksOf(a), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    auto* const sums = reinterpret_cast<double*>(memory.scratch);
    DotProduct d = product;
    d.a.data = memory.inputs[0];
    d.b.data = memory.inputs[1];
    parallel(threads, blocks.count(), 1, [&](Range range, int) {
      for (std::int64_t i = range.first; i < range.end; ++i) sums[i] = kernels.dotProduct(d, blocks[i]);
    });
    double total = 0;
    for (std::int64_t i = 0; i < blocks.count(); ++i) total += sums[i];
    *memory.out<float>(0) = static_cast<float>(total);
  });
}

}  // namespace

const Op dotProductOp{.choose = chooseDotProduct, .prepare = prepareDotProduct};

}  // namespace ocrnet::cpu
