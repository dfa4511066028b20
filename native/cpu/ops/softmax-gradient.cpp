#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareSoftmaxGradient(const StepDescription& step, const Device& device,
                                                     Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo &y = *step.input(0), &dy = *step.input(1);
  const SoftmaxGradient gradient{.channels = y.channels(),
                                 .scale = step.attributes<SoftmaxGradientAttributes>().scale,
                                 .y = sourceOf(&y),
                                 .dy = sourceOf(&dy),
                                 .dx = targetOf(step.output(0))};
  return preparedStep([gradient, pixels = y.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    SoftmaxGradient s = gradient;
    s.y.data = memory.inputs[0];
    s.dy.data = memory.inputs[1];
    s.dx.data = memory.outputs[0];
    parallel(threads, pixels, pixelGrain(s.channels),
             [&](Range range, int) { kernels.softmaxGradient(s, range); });
  });
}

}  // namespace

const Op softmaxGradientOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareSoftmaxGradient,
};

}  // namespace ocrnet::cpu
