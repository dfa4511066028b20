#include "cuda/ops/copy-channels.h"

namespace ocrnet::cuda {

namespace {

std::unique_ptr<PreparedStep> prepareSliceChannels(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const std::int64_t elementBytes = bytesPerElement(x.dataType);
  const std::int64_t first = step.attributes<SliceChannelsAttributes>().first * elementBytes;
  return preparedStep([first, bytes = y.channels() * elementBytes, from = x.pixelStride * elementBytes,
                       to = y.pixelStride * elementBytes,
                       pixels = x.pixels()](const StepMemory& memory, cudaStream_t stream) {
    copyChannels({memory.inputs[0] + first, from}, {memory.outputs[0], to}, bytes, pixels, stream);
  });
}

}  // namespace

const Op sliceChannelsOp{.choose = withoutScratch, .prepare = prepareSliceChannels};

}  // namespace ocrnet::cuda
