// The regions in the scratch, then their sums: what spatialSoftmax and aggregateRegions compute, to the bit.

#include <algorithm>

#include "cpu/ops/aggregate-regions.h"
#include "cpu/ops/spatial-softmax.h"

namespace ocrnet::cpu {

namespace {

class Gathering {
 public:
  Gathering(const StepDescription& step, const Device& device)
      : softmax_(*step.input(0), step.attributes<GatherRegionsAttributes>().scale, device),
        aggregation_(step.input(0)->channels(), *step.input(1), device),
        regionFloats_(step.input(0)->pixels() * step.input(0)->channels()) {}

  std::int64_t scratchFloats() const { return sharedFloats() + regionFloats_; }
  void run(const StepMemory& memory) const {
    float* const scratch = reinterpret_cast<float*>(memory.scratch);
    float* const regions = scratch + sharedFloats();
    softmax_.run(memory.inputs[0], regions, scratch);
    aggregation_.run(regions, memory.inputs[1], memory.outputs[0], scratch);
  }

 private:
  /// One runs after the other.
  std::int64_t sharedFloats() const {
    return roundUp(std::max(softmax_.scratchFloats(), aggregation_.scratchFloats()), kMostLanes);
  }

  const SoftmaxOverPixels softmax_;
  const RegionAggregation aggregation_;
  const std::int64_t regionFloats_;
};

Choice chooseGatherRegions(const StepDescription& step, const Device& device) {
  return {.scratchBytes = Gathering(step, device).scratchFloats() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareGatherRegions(const StepDescription& step, const Device& device,
                                                   Weights&) {
  requireChoice(step, chooseGatherRegions(step, device));
  return preparedStep(
      [gathering = Gathering(step, device)](const StepMemory& memory) { gathering.run(memory); });
}

}  // namespace

const Op gatherRegionsOp{.choose = chooseGatherRegions, .prepare = prepareGatherRegions};

}  // namespace ocrnet::cpu
