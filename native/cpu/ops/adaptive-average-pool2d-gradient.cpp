#include "core/cells.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareAdaptiveAveragePool2dGradient(const StepDescription& step,
                                                                   const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo &dy = *step.input(0), &dx = *step.output(0);
  const AdaptiveAveragePool2dGradient pool{.type = dy.dataType,
                                           .height = dx.shape[1],
                                           .width = dx.shape[2],
                                           .outputHeight = dy.shape[1],
                                           .outputWidth = dy.shape[2],
                                           .channels = dx.channels(),
                                           .shares = nullptr,
                                           .dy = sourceOf(&dy),
                                           .dx = targetOf(&dx)};
  return preparedStep([=, shares = cellShares(dy.shape[1], dy.shape[2], dx.shape[1], dx.shape[2]),
                       rows = dx.shape[0] * dx.shape[1], threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AdaptiveAveragePool2dGradient p = pool;
    p.shares = shares.data();
    p.dy.data = memory.inputs[0];
    p.dx.data = memory.outputs[0];
    parallel(threads, rows, 1, [&](Range range, int) { kernels.adaptiveAveragePool2dGradient(p, range); });
  });
}

}  // namespace

const Op adaptiveAveragePool2dGradientOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareAdaptiveAveragePool2dGradient,
};

}  // namespace ocrnet::cpu
