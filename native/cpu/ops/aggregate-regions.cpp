// regionsᵀ · features, the pixels cut into chunks with a sum each. The chunks do not depend on the number of
// threads and their sums are added in their order, so neither does the result.

#include "cpu/ops/direct.h"
#include "cpu/ops/pixel-blocks.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Of one image.
struct Chunks : PixelBlocks {
  std::int64_t classes, paddedChannels;

  std::int64_t floats() const { return classes * paddedChannels; }
};

Chunks chunksOf(const StepDescription& step) {
  const TensorInfo& features = *step.input(1);
  return {fewBlocks(1, features.shape[1] * features.shape[2]), step.input(0)->channels(),
          roundUp(features.channels(), kMostLanes)};
}

Choice chooseAggregateRegions(const StepDescription& step, const Device&) {
  const Chunks chunks = chunksOf(step);
  return {.scratchBytes = chunks.count() * chunks.floats() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAggregateRegions(const StepDescription& step, const Device& device,
                                                      Weights&) {
  requireChoice(step, chooseAggregateRegions(step, device));
  const TensorInfo& features = *step.input(1);
  return preparedStep([chunks = chunksOf(step), batch = features.shape[0], channels = features.channels(),
                       type = features.dataType, stride = features.pixelStride, threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AggregateRegions a{.type = type,
                       .classes = chunks.classes,
                       .channels = channels,
                       .regions = memory.in<float>(0),
                       .features = {memory.inputs[1], stride},
                       .sums = reinterpret_cast<float*>(memory.scratch),
                       .paddedChannels = chunks.paddedChannels};
    for (std::int64_t image = 0; image < batch; ++image) {
      const std::int64_t firstPixel = image * chunks.imagePixels;
      parallel(threads, chunks.count(), 1, [&](Range range, int) {
        for (std::int64_t i = range.first; i < range.end; ++i) {
          AggregateRegions chunk = a;
          chunk.sums += i * chunks.floats();
          const Range pixels = chunks.pixels(i);
          kernels.aggregateRegions(chunk, {firstPixel + pixels.first, firstPixel + pixels.end});
        }
      });
      std::byte* const y = memory.outputs[0] + image * chunks.classes * channels * bytesPerElement(type);
      parallel(threads, chunks.classes, pixelGrain(chunks.count() * channels),
               [&](Range classes, int) { kernels.combineRegionSums(a, chunks.count(), classes, y); });
    }
  });
}

}  // namespace

const Op aggregateRegionsOp{.choose = chooseAggregateRegions, .prepare = prepareAggregateRegions};

}  // namespace ocrnet::cpu
