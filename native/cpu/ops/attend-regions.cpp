#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// The scratch, in floats: the packed key and value of an image, then each thread's relation and queries.
struct RegionLayout {
  std::int64_t key, value, relation, queries;

  std::int64_t ofThread() const { return relation + queries; }
  std::int64_t total(int threads) const { return key + value + threads * ofThread(); }
};

RegionLayout regionLayout(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  const std::int64_t classes = value.shape[1], paddedClasses = roundUp(classes, kMostLanes),
                     depth = query.channels();
  return {.key = roundUp(depth * paddedClasses, kMostLanes),
          .value = roundUp(classes * roundUp(value.channels(), kMostLanes), kMostLanes),
          .relation = kAttendedPixels * paddedClasses,
          .queries = query.dataType == DataType::float32 ? 0 : kAttendedPixels * depth};
}

Choice chooseAttendRegions(const StepDescription& step, const Device& device) {
  return {.scratchBytes = regionLayout(step).total(device.threads) * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAttendRegions(const StepDescription& step, const Device& device,
                                                   Weights&) {
  requireChoice(step, chooseAttendRegions(step, device));
  const auto& attributes = step.attributes<AttendRegionsAttributes>();
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  const AttendRegions attend{.type = query.dataType,
                             .depth = query.channels(),
                             .classes = value.shape[1],
                             .channels = value.channels(),
                             .scale = attributes.scale,
                             .epilogue = {attributes.activation, attributes.negativeSlope},
                             .query = sourceOf(&query),
                             .packedKey = nullptr,
                             .packedValue = nullptr,
                             .y = targetOf(step.output(0)),
                             .relation = nullptr,
                             .queries = nullptr};
  return preparedStep([=, layout = regionLayout(step), batch = query.shape[0],
                       pixels = query.shape[1] * query.shape[2],
                       elementBytes = bytesPerElement(query.dataType), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AttendRegions a = attend;
    a.query.data = memory.inputs[0];
    a.y.data = memory.outputs[0];
    float* const packedKey = reinterpret_cast<float*>(memory.scratch);
    float *const packedValue = packedKey + layout.key, *const ofThreads = packedValue + layout.value;
    a.packedKey = packedKey;
    a.packedValue = packedValue;
    for (std::int64_t image = 0; image < batch; ++image) {
      kernels.packPanels(a.type, memory.inputs[1] + image * a.classes * a.depth * elementBytes, a.classes,
                         a.depth, true, packedKey);
      kernels.packPanels(a.type, memory.inputs[2] + image * a.classes * a.channels * elementBytes, a.classes,
                         a.channels, false, packedValue);
      parallel(threads, pixels, kAttendedPixels, [&](Range range, int thread) {
        AttendRegions mine = a;
        mine.relation = ofThreads + thread * layout.ofThread();
        mine.queries = mine.relation + layout.relation;
        kernels.attendRegions(mine, {image * pixels + range.first, image * pixels + range.end});
      });
    }
  });
}

}  // namespace

const Op attendRegionsOp{.choose = chooseAttendRegions, .prepare = prepareAttendRegions};

}  // namespace ocrnet::cpu
