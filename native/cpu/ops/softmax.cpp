#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareSoftmax(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo& x = *step.input(0);
  const Softmax softmax{.type = x.dataType,
                        .channels = x.channels(),
                        .scale = step.attributes<SoftmaxAttributes>().scale,
                        .x = sourceOf(&x),
                        .y = targetOf(step.output(0))};
  return preparedStep([softmax, pixels = x.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    Softmax s = softmax;
    s.x.data = memory.inputs[0];
    s.y.data = memory.outputs[0];
    parallel(threads, pixels, pixelGrain(s.channels), [&](Range range, int) { kernels.softmax(s, range); });
  });
}

}  // namespace

const Op softmaxOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareSoftmax,
};

}  // namespace ocrnet::cpu
