#include <cstring>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareSliceChannels(const StepDescription& step, const Device& device,
                                                   Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const std::int64_t elementBytes = bytesPerElement(x.dataType);
  const std::int64_t first = step.attributes<SliceChannelsAttributes>().first * elementBytes;
  return preparedStep([first, bytes = y.channels() * elementBytes, from = x.pixelStride * elementBytes,
                       to = y.pixelStride * elementBytes, pixels = x.pixels(),
                       threads = device.threads](const StepMemory& memory) {
    parallel(threads, pixels, pixelGrain(bytes), [&](Range range, int) {
      for (std::int64_t pixel = range.first; pixel < range.end; ++pixel) {
        std::memcpy(memory.outputs[0] + pixel * to, memory.inputs[0] + pixel * from + first, bytes);
      }
    });
  });
}

}  // namespace

const Op sliceChannelsOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareSliceChannels,
};

}  // namespace ocrnet::cpu
