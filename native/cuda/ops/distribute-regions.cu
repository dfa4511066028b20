#include "cuda/ops/region-product.h"

namespace ocrnet::cuda {

const Op distributeRegionsOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device& device, Parameters&) {
          requireChoice(step, Choice{});
          const TensorInfo &regions = *step.input(0), &y = *step.output(0);
          const RegionSizes sizes{regions.shape[0], regions.shape[1] * regions.shape[2], regions.channels(),
                                  y.channels()};
          return preparedStep([device, sizes, type = y.dataType, stride = y.pixelStride](
                                  const StepMemory& memory, cudaStream_t stream) {
            enqueueMixture(device, type, sizes, {memory.inputs[0], sizes.classes}, memory.inputs[1],
                           {memory.outputs[0], stride}, {}, stream);
          });
        },
};

}  // namespace ocrnet::cuda
