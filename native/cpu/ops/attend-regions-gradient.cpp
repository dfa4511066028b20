// One image after another, its pixels in blocks with sums of dKey and dValue each, which are added in the
// blocks' order: the result does not depend on the number of threads.

#include "cpu/ops/direct.h"
#include "cpu/ops/pixel-blocks.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// The scratch, in floats: the image's packed matrices, the blocks' sums, then each thread's relation and
/// scores.
struct RegionGradientLayout {
  PixelBlocks blocks;  // of one image
  std::int64_t classes, paddedClasses, depth, channels, paddedDepth, paddedChannels;

  std::int64_t key() const { return depth * paddedClasses; }
  std::int64_t value() const { return channels * paddedClasses; }
  std::int64_t keyRows() const { return classes * paddedDepth; }
  std::int64_t keySums() const { return classes * paddedDepth; }
  std::int64_t valueSums() const { return classes * paddedChannels; }
  std::int64_t relation() const { return kAttendedPixels * paddedClasses; }
  std::int64_t total(int threads) const {
    return key() + value() + keyRows() + blocks.count() * (keySums() + valueSums()) +
           threads * 2 * relation();
  }
};

RegionGradientLayout regionGradientLayout(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  return {.blocks = fewBlocks(1, query.shape[1] * query.shape[2]),
          .classes = value.shape[1],
          .paddedClasses = roundUp(value.shape[1], kMostLanes),
          .depth = query.channels(),
          .channels = value.channels(),
          .paddedDepth = roundUp(query.channels(), kMostLanes),
          .paddedChannels = roundUp(value.channels(), kMostLanes)};
}

Choice chooseAttendRegionsGradient(const StepDescription& step, const Device& device) {
  requireFloat32(step);
  return {.scratchBytes = regionGradientLayout(step).total(device.threads) * sizeof(float)};
}

/// What one execution works on; outputs that nobody reads are null.
class Run {
 public:
  Run(const RegionGradientLayout& layout, const AttendRegionsGradient& gradient, const Kernels& kernels,
      int threads, const StepMemory& memory)
      : l_(layout), kernels_(kernels), threads_(threads), memory_(memory), gradient_(gradient) {
    packedKey_ = reinterpret_cast<float*>(memory.scratch);
    packedValue_ = packedKey_ + l_.key();
    packedKeyRows_ = packedValue_ + l_.value();
    keySums_ = packedKeyRows_ + l_.keyRows();
    valueSums_ = keySums_ + l_.blocks.count() * l_.keySums();
    ofThreads_ = valueSums_ + l_.blocks.count() * l_.valueSums();
    gradient_.query.data = memory.inputs[0];
    gradient_.dy.data = memory.inputs[3];
    gradient_.packedKey = packedKey_;
    gradient_.packedValue = packedValue_;
    gradient_.packedKeyRows = packedKeyRows_;
    gradient_.dQuery.data = memory.outputs[0];
  }

  void image(std::int64_t image) const {
    const float* const key = memory_.in<float>(1) + image * l_.classes * l_.depth;
    const float* const value = memory_.in<float>(2) + image * l_.classes * l_.channels;
    kernels_.packPanels(DataType::float32, key, l_.classes, l_.depth, true, packedKey_);
    kernels_.packPanels(DataType::float32, key, l_.classes, l_.depth, false, packedKeyRows_);
    kernels_.packPanels(DataType::float32, value, l_.classes, l_.channels, true, packedValue_);
    parallel(threads_, l_.blocks.count(), 1, [&](Range range, int thread) {
      AttendRegionsGradient mine = gradient_;
      mine.relation = ofThreads_ + thread * 2 * l_.relation();
      mine.scores = mine.relation + l_.relation();
      for (std::int64_t i = range.first; i < range.end; ++i) {
        if (memory_.outputs[1]) mine.dKey = keySums_ + i * l_.keySums();
        if (memory_.outputs[2]) mine.dValue = valueSums_ + i * l_.valueSums();
        const Range pixels = l_.blocks.pixels(i);
        const std::int64_t first = image * l_.blocks.imagePixels;
        kernels_.attendRegionsGradient(mine, {first + pixels.first, first + pixels.end});
      }
    });
    if (memory_.outputs[1])
      combine(keySums_, l_.depth, memory_.out<float>(1) + image * l_.classes * l_.depth);
    if (memory_.outputs[2])
      combine(valueSums_, l_.channels, memory_.out<float>(2) + image * l_.classes * l_.channels);
  }

 private:
  void combine(float* sums, std::int64_t channels, float* total) const {
    const AggregateRegions a{.type = DataType::float32,
                             .classes = l_.classes,
                             .channels = channels,
                             .regions = nullptr,
                             .features = {},
                             .sums = sums,
                             .paddedChannels = roundUp(channels, kMostLanes)};
    parallel(threads_, l_.classes, pixelGrain(l_.blocks.count() * channels),
             [&](Range classes, int) { kernels_.combineRegionSums(a, l_.blocks.count(), classes, total); });
  }

  const RegionGradientLayout& l_;
  const Kernels& kernels_;
  const int threads_;
  const StepMemory& memory_;
  AttendRegionsGradient gradient_;
  float *packedKey_, *packedValue_, *packedKeyRows_, *keySums_, *valueSums_, *ofThreads_;
};

std::unique_ptr<PreparedStep> prepareAttendRegionsGradient(const StepDescription& step, const Device& device,
                                                           Weights&) {
  requireChoice(step, chooseAttendRegionsGradient(step, device));
  const TensorInfo &query = *step.input(0), *dQuery = step.output(0);
  const RegionGradientLayout layout = regionGradientLayout(step);
  const AttendRegionsGradient gradient{.depth = layout.depth,
                                       .classes = layout.classes,
                                       .channels = layout.channels,
                                       .scale = step.attributes<AttendRegionsGradientAttributes>().scale,
                                       .query = sourceOf(&query),
                                       .dy = sourceOf(step.input(3)),
                                       .packedKey = nullptr,
                                       .packedValue = nullptr,
                                       .packedKeyRows = nullptr,
                                       .dQuery = dQuery ? targetOf(dQuery) : Target{},
                                       .dKey = nullptr,
                                       .dValue = nullptr,
                                       .paddedDepth = layout.paddedDepth,
                                       .paddedChannels = layout.paddedChannels,
                                       .relation = nullptr,
                                       .scores = nullptr};
  return preparedStep([=, batch = query.shape[0], threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const Run run(layout, gradient, kernels, threads, memory);
    for (std::int64_t image = 0; image < batch; ++image) run.image(image);
  });
}

}  // namespace

const Op attendRegionsGradientOp{.choose = chooseAttendRegionsGradient,
                                 .prepare = prepareAttendRegionsGradient};

}  // namespace ocrnet::cpu
