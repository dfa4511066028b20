#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareActivateGradient(const StepDescription& step, const Device& device,
                                                      Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo& dy = *step.input(0);
  const auto& [activation, negativeSlope] = step.attributes<ActivateGradientAttributes>();
  const ActivationGradient gradient{.type = dy.dataType,
                                    .channels = dy.channels(),
                                    .dy = sourceOf(&dy),
                                    .y = sourceOf(step.input(1)),
                                    .dx = targetOf(step.output(0)),
                                    .epilogue = {activation, negativeSlope}};
  return preparedStep([gradient, pixels = dy.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    ActivationGradient a = gradient;
    a.dy.data = memory.inputs[0];
    a.y.data = memory.inputs[1];
    a.dx.data = memory.outputs[0];
    parallel(threads, pixels, pixelGrain(a.channels),
             [&](Range range, int) { kernels.activationGradient(a, range); });
  });
}

}  // namespace

const Op activateGradientOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareActivateGradient,
};

}  // namespace ocrnet::cpu
