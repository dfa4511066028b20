// regionsᵀ · features, the pixels cut into chunks with a sum each. The chunks do not depend on the number of
// threads and their sums are added in their order, so neither does the result.

#include "cpu/ops/aggregate-regions.h"

#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

RegionAggregation aggregationOf(const StepDescription& step, const Device& device) {
  return {step.input(0)->channels(), *step.input(1), device};
}

Choice chooseAggregateRegions(const StepDescription& step, const Device& device) {
  return {.scratchBytes = aggregationOf(step, device).scratchFloats() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAggregateRegions(const StepDescription& step, const Device& device,
                                                      Weights&) {
  requireChoice(step, chooseAggregateRegions(step, device));
  return preparedStep([aggregation = aggregationOf(step, device)](const StepMemory& memory) {
    aggregation.run(memory.in<float>(0), memory.inputs[1], memory.outputs[0],
                    reinterpret_cast<float*>(memory.scratch));
  });
}

}  // namespace

RegionAggregation::RegionAggregation(std::int64_t classes, const TensorInfo& features, const Device& device)
    : chunks_(fewBlocks(1, features.shape[1] * features.shape[2])),
      batch_(features.shape[0]),
      classes_(classes),
      channels_(features.channels()),
      paddedChannels_(roundUp(features.channels(), kMostLanes)),
      type_(features.dataType),
      stride_(features.pixelStride),
      threads_(device.threads),
      kernels_(kernelsFor(device.isa)) {}

void RegionAggregation::run(const float* regions, const void* features, std::byte* y, float* scratch) const {
  const AggregateRegions a{.type = type_,
                           .classes = classes_,
                           .channels = channels_,
                           .regions = regions,
                           .features = {features, stride_},
                           .sums = scratch,
                           .paddedChannels = paddedChannels_};
  for (std::int64_t image = 0; image < batch_; ++image) {
    const std::int64_t firstPixel = image * chunks_.imagePixels;
    parallel(threads_, chunks_.count(), 1, [&](Range range, int) {
      for (std::int64_t i = range.first; i < range.end; ++i) {
        AggregateRegions chunk = a;
        chunk.sums += i * chunkFloats();
        const Range pixels = chunks_.pixels(i);
        kernels_.aggregateRegions(chunk, {firstPixel + pixels.first, firstPixel + pixels.end});
      }
    });
    std::byte* const out = y + image * classes_ * channels_ * bytesPerElement(type_);
    parallel(threads_, classes_, pixelGrain(chunks_.count() * channels_),
             [&](Range classes, int) { kernels_.combineRegionSums(a, chunks_.count(), classes, out); });
  }
}

const Op aggregateRegionsOp{.choose = chooseAggregateRegions, .prepare = prepareAggregateRegions};

}  // namespace ocrnet::cpu
