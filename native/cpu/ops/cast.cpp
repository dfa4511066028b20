#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareCast(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const Cast cast{.inputType = x.dataType,
                  .outputType = y.dataType,
                  .channels = x.channels(),
                  .x = sourceOf(&x),
                  .y = targetOf(&y)};
  return preparedStep([=, pixels = x.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    Cast c = cast;
    c.x.data = memory.inputs[0];
    c.y.data = memory.outputs[0];
    parallel(threads, pixels, pixelGrain(c.channels), [&](Range range, int) { kernels.cast(c, range); });
  });
}

}  // namespace

const Op castOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareCast,
};

}  // namespace ocrnet::cpu
