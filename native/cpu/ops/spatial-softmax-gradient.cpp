// In two passes over the pixels: the sums of regions · dRegions, then what follows from them.

#include "cpu/ops/direct.h"
#include "cpu/ops/pixel-blocks.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kGradientBlockPixels = 256;

/// The scratch in floats: sums (blocks, classes), then each thread's own.
struct GradientBlocks : PixelBlocks {
  std::int64_t classes;

  std::int64_t threadFloats() const { return classes * kMostLanes; }
  std::int64_t scratchFloats(int threads) const { return count() * classes + threads * threadFloats(); }
};

GradientBlocks gradientBlocksOf(const TensorInfo& regions) {
  return {{regions.shape[0], regions.shape[1] * regions.shape[2], kGradientBlockPixels}, regions.channels()};
}

Choice chooseSpatialSoftmaxGradient(const StepDescription& step, const Device& device) {
  return {.scratchBytes = gradientBlocksOf(*step.input(0)).scratchFloats(device.threads) * sizeof(float)};
}

/// Replaces the first of an image's sums by their total.
void addSums(std::int64_t blocks, std::int64_t classes, float* sums) {
  for (std::int64_t k = 0; k < classes; ++k) {
    double total = 0;
    for (std::int64_t i = 0; i < blocks; ++i) total += static_cast<double>(sums[i * classes + k]);
    sums[k] = static_cast<float>(total);
  }
}

std::unique_ptr<PreparedStep> prepareSpatialSoftmaxGradient(const StepDescription& step, const Device& device,
                                                            Weights&) {
  requireChoice(step, chooseSpatialSoftmaxGradient(step, device));
  return preparedStep([blocks = gradientBlocksOf(*step.input(0)),
                       scale = step.attributes<SpatialSoftmaxGradientAttributes>().scale,
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const std::int64_t classes = blocks.classes;
    float* const sums = reinterpret_cast<float*>(memory.scratch);
    float* const rows = sums + blocks.count() * classes;
    const auto eachBlock = [&](const auto& body) {
      parallel(threads, blocks.count(), 1, [&](Range range, int thread) {
        const SpatialSoftmaxGradient gradient{.classes = classes,
                                              .scale = scale,
                                              .regions = memory.in<float>(0),
                                              .dRegions = memory.in<float>(1),
                                              .dLogits = memory.out<float>(0),
                                              .row = rows + thread * blocks.threadFloats()};
        for (std::int64_t i = range.first; i < range.end; ++i) body(gradient, i);
      });
    };

    eachBlock([&](const SpatialSoftmaxGradient& gradient, std::int64_t i) {
      kernels.sumRegionGradients(gradient, blocks.pixels(i), sums + i * classes);
    });
    const std::int64_t imageFloats = blocks.perImage() * classes;
    for (std::int64_t image = 0; image < blocks.batch; ++image)
      addSums(blocks.perImage(), classes, sums + image * imageFloats);
    eachBlock([&](const SpatialSoftmaxGradient& gradient, std::int64_t i) {
      kernels.spatialSoftmaxGradient(gradient, blocks.pixels(i), sums + i / blocks.perImage() * imageFloats);
    });
  });
}

}  // namespace

const Op spatialSoftmaxGradientOp{.choose = chooseSpatialSoftmaxGradient,
                                  .prepare = prepareSpatialSoftmaxGradient};

}  // namespace ocrnet::cpu
