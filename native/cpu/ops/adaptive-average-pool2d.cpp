#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Channels of one output pixel that are a task of their own, so that a global mean has some for every
/// thread.
constexpr std::int64_t kTaskChannels = 128;

std::unique_ptr<PreparedStep> prepareAdaptiveAveragePool2d(const StepDescription& step, const Device& device,
                                                           Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const AdaptiveAveragePool2d pool{.type = x.dataType,
                                   .height = x.shape[1],
                                   .width = x.shape[2],
                                   .outputHeight = y.shape[1],
                                   .outputWidth = y.shape[2],
                                   .channels = x.channels(),
                                   .x = sourceOf(&x),
                                   .y = targetOf(&y)};
  return preparedStep([=, pixels = y.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AdaptiveAveragePool2d p = pool;
    p.x.data = memory.inputs[0];
    p.y.data = memory.outputs[0];
    const std::int64_t parts = divideUp(p.channels, kTaskChannels);
    parallel(threads, pixels * parts, 1, [&](Range tasks, int) {
      for (std::int64_t task = tasks.first; task < tasks.end; ++task) {
        const std::int64_t channel = task % parts * kTaskChannels;
        kernels.adaptiveAveragePool2d(p, task / parts,
                                      {channel, std::min(channel + kTaskChannels, p.channels)});
      }
    });
  });
}

}  // namespace

const Op adaptiveAveragePool2dOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareAdaptiveAveragePool2d,
};

}  // namespace ocrnet::cpu
