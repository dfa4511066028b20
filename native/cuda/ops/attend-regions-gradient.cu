// The relation of all pixels and its gradient lie in scratch, (pixels, K) each: 16384 pixels and 171 classes
// are 11 MB, which an H200 keeps in its second cache from one kernel to the next. All else is products of
// pixels and region vectors.

#include <algorithm>

#include "core/integers.h"
#include "cuda/ops/region-product.h"
#include "cuda/ops/relation.h"

namespace ocrnet::cuda {

namespace {

struct RegionGradientScratch {
  RegionSizes keys, values;  // of the products with vectors of so many channels

  explicit RegionGradientScratch(const StepDescription& step) {
    const TensorInfo &query = *step.input(0), &value = *step.input(2);
    keys = values = {query.shape[0], query.shape[1] * query.shape[2], value.shape[1], query.channels()};
    values.channels = value.channels();
  }
  std::int64_t pixels() const { return keys.images * keys.pixels; }
  std::int64_t relationFloats() const { return roundUp(pixels() * keys.classes, 64); }
  std::size_t scratchBytes() const {
    return 2 * relationFloats() * sizeof(float) + std::max(sumsScratchBytes(keys), sumsScratchBytes(values));
  }
};

Choice chooseAttendRegionsGradient(const StepDescription& step, const Device&) {
  return {.scratchBytes = RegionGradientScratch(step).scratchBytes()};
}

std::unique_ptr<PreparedStep> prepareAttendRegionsGradient(const StepDescription& step, const Device& device,
                                                           Parameters&) {
  requireChoice(step, chooseAttendRegionsGradient(step, device));
  const TensorInfo &query = *step.input(0), &dy = *step.input(3);
  return preparedStep([device, layout = RegionGradientScratch(step), type = query.dataType,
                       queryStride = query.pixelStride, dyStride = dy.pixelStride,
                       dQueryTarget = targetOf(step.output(0), nullptr),
                       scale = step.attributes<AttendRegionsGradientAttributes>().scale](
                          const StepMemory& memory, cudaStream_t stream) {
    const auto& [keys, values] = layout;
    auto* const relation = memory.scratchAs<float>();
    float* const gradients = relation + layout.relationFloats();
    float* const sums = gradients + layout.relationFloats();
    const Source queryOf{memory.inputs[0], queryStride}, dyOf{memory.inputs[3], dyStride};
    const Source relationOf{relation, keys.classes}, gradientsOf{gradients, keys.classes};
    const bool needsGradients = memory.outputs[0] || memory.outputs[1];

    enqueueScores(device, type, keys, queryOf, memory.inputs[1], {relation, keys.classes}, stream);
    if (needsGradients)
      enqueueScores(device, type, values, dyOf, memory.inputs[2], {gradients, keys.classes}, stream);
    enqueueRelation(layout.pixels(), keys.classes, scale, relation, needsGradients ? gradients : nullptr,
                    stream);
    if (memory.outputs[0]) {
      enqueueMixture(device, type, keys, gradientsOf, memory.inputs[1],
                     {memory.outputs[0], dQueryTarget.stride}, {}, stream);
    }
    if (memory.outputs[1])
      enqueueSums(device, type, keys, gradientsOf, queryOf, memory.outputs[1], sums, stream);
    if (memory.outputs[2])
      enqueueSums(device, type, values, relationOf, dyOf, memory.outputs[2], sums, stream);
  });
}

}  // namespace

const Op attendRegionsGradientOp{.choose = chooseAttendRegionsGradient,
                                 .prepare = prepareAttendRegionsGradient};

}  // namespace ocrnet::cuda
