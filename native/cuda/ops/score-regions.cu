#include "cuda/ops/region-product.h"

namespace ocrnet::cuda {

const Op scoreRegionsOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device& device, Parameters&) {
          requireChoice(step, Choice{});
          const TensorInfo &features = *step.input(0), &scores = *step.output(0);
          const RegionSizes sizes{features.shape[0], features.shape[1] * features.shape[2], scores.channels(),
                                  features.channels()};
          return preparedStep([device, sizes, type = features.dataType, stride = features.pixelStride](
                                  const StepMemory& memory, cudaStream_t stream) {
            enqueueScores(device, type, sizes, {memory.inputs[0], stride}, memory.inputs[1],
                          {memory.outputs[0], sizes.classes}, stream);
          });
        },
};

}  // namespace ocrnet::cuda
