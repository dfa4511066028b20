#include <vector>

#include "cuda/ops/copy-channels.h"
#include "runtime/concat-parts.h"

namespace ocrnet::cuda {

namespace {

std::unique_ptr<PreparedStep> prepareConcat(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo& y = *step.output(0);
  return preparedStep([parts = concatParts(step), stride = y.pixelStride * bytesPerElement(y.dataType),
                       pixels = y.pixels()](const StepMemory& memory, cudaStream_t stream) {
    for (const ConcatPart& part : parts) {
      copyChannels({memory.inputs[part.input], part.stride}, {memory.outputs[0] + part.offset, stride},
                   part.bytes, pixels, stream);
    }
  });
}

}  // namespace

const Op concatOp{.choose = withoutScratch, .prepare = prepareConcat};

}  // namespace ocrnet::cuda
