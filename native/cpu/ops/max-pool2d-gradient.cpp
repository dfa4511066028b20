#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

Choice chooseMaxPool2dGradient(const StepDescription& step, const Device&) {
  requireFloat32(step);
  return {};
}

std::unique_ptr<PreparedStep> prepareMaxPool2dGradient(const StepDescription& step, const Device& device,
                                                       Weights&) {
  requireChoice(step, chooseMaxPool2dGradient(step, device));
  const auto& attributes = step.attributes<MaxPool2dGradientAttributes>();
  const TensorInfo &x = *step.input(0), &dy = *step.input(1);
  const MaxPool2dGradient pool{.height = x.shape[1],
                               .width = x.shape[2],
                               .outputHeight = dy.shape[1],
                               .outputWidth = dy.shape[2],
                               .channels = x.channels(),
                               .kernel = attributes.kernel,
                               .stride = attributes.stride,
                               .padding = attributes.padding,
                               .x = sourceOf(&x),
                               .dy = sourceOf(&dy),
                               .dx = targetOf(step.output(0))};
  return preparedStep([=, rows = x.shape[0] * x.shape[1], threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    MaxPool2dGradient p = pool;
    p.x.data = memory.inputs[0];
    p.dy.data = memory.inputs[1];
    p.dx.data = memory.outputs[0];
    parallel(threads, rows, 1, [&](Range range, int) { kernels.maxPool2dGradient(p, range); });
  });
}

}  // namespace

const Op maxPool2dGradientOp{.choose = chooseMaxPool2dGradient, .prepare = prepareMaxPool2dGradient};

}  // namespace ocrnet::cpu
