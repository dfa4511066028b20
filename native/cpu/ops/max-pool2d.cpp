#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareMaxPool2d(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const auto& attributes = step.attributes<MaxPool2dAttributes>();
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const MaxPool2d pool{.type = x.dataType,
                       .height = x.shape[1],
                       .width = x.shape[2],
                       .outputHeight = y.shape[1],
                       .outputWidth = y.shape[2],
                       .channels = x.channels(),
                       .kernel = attributes.kernel,
                       .stride = attributes.stride,
                       .padding = attributes.padding,
                       .x = sourceOf(&x),
                       .y = targetOf(&y)};
  return preparedStep([=, rows = y.shape[0] * y.shape[1], threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    MaxPool2d p = pool;
    p.x.data = memory.inputs[0];
    p.y.data = memory.outputs[0];
    parallel(threads, rows, 1, [&](Range range, int) { kernels.maxPool2d(p, range); });
  });
}

}  // namespace

const Op maxPool2dOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareMaxPool2d,
};

}  // namespace ocrnet::cpu
