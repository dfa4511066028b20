#include "cuda/ops/region-product.h"

namespace ocrnet::cuda {

namespace {

RegionSizes aggregatedSizes(const StepDescription& step) {
  const TensorInfo &regions = *step.input(0), &features = *step.input(1);
  return {features.shape[0], features.shape[1] * features.shape[2], regions.channels(), features.channels()};
}

Choice chooseAggregateRegions(const StepDescription& step, const Device&) {
  return {.scratchBytes = sumsScratchBytes(aggregatedSizes(step))};
}

}  // namespace

const Op aggregateRegionsOp{
    .choose = chooseAggregateRegions,
    .prepare =
        [](const StepDescription& step, const Device& device, Parameters&) {
          requireChoice(step, chooseAggregateRegions(step, device));
          const TensorInfo& features = *step.input(1);
          return preparedStep([device, sizes = aggregatedSizes(step), type = features.dataType,
                               stride = features.pixelStride](const StepMemory& memory, cudaStream_t stream) {
            enqueueSums(device, type, sizes, {memory.inputs[0], sizes.classes}, {memory.inputs[1], stride},
                        memory.outputs[0], memory.scratchAs<float>(), stream);
          });
        },
};

}  // namespace ocrnet::cuda
