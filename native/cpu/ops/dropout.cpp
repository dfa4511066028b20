#include "core/integers.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Factors are drawn by fours.
std::int64_t factorStride(const TensorInfo& x) { return roundUp(x.channels(), 4); }

/// Of channels there are few factors: they are drawn ahead of the pixels.
Choice chooseDropout(const StepDescription& step, const Device&) {
  if (step.attributes<DropoutAttributes>().drops == Dropped::elements) return {};
  const TensorInfo& x = *step.input(0);
  return {.scratchBytes = static_cast<std::size_t>(x.shape[0] * factorStride(x)) * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareDropout(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, chooseDropout(step, device));
  const auto& a = step.attributes<DropoutAttributes>();
  const TensorInfo& x = *step.input(0);
  const Dropout dropout{.type = x.dataType,
                        .channels = x.channels(),
                        .samplePixels = x.pixels() / x.shape[0],
                        .x = sourceOf(&x),
                        .y = targetOf(step.output(0)),
                        .mask = DropoutMask(a.rate, a.stream),
                        .noise = nullptr,
                        .channelFactors = nullptr,
                        .factorStride = factorStride(x)};
  return preparedStep([dropout, ofChannels = a.drops == Dropped::channels, samples = x.shape[0],
                       pixels = x.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    Dropout d = dropout;
    d.x.data = memory.inputs[0];
    d.noise = memory.in<std::int32_t>(1);
    d.y.data = memory.outputs[0];
    if (ofChannels) {
      auto* const factors = reinterpret_cast<float*>(memory.scratch);
      for (std::int64_t n = 0; n < samples; ++n) {
        kernels.drawFactors(d.mask, d.noise, n, {0, d.factorStride / 4}, factors + n * d.factorStride);
      }
      d.channelFactors = factors;
    }
    parallel(threads, pixels, pixelGrain(d.channels), [&](Range range, int) { kernels.dropout(d, range); });
  });
}

}  // namespace

const Op dropoutOp{.choose = chooseDropout, .prepare = prepareDropout};

}  // namespace ocrnet::cpu
